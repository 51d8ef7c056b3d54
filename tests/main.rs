mod boundary;
mod clients;
mod cluster;
mod harness;
mod monitoring;
mod packaging;
mod simulated;
mod verdicts;
