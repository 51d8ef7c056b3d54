mod clients;
mod cluster;
mod monitoring;
mod packaging;
mod simulated;
mod verdicts;
