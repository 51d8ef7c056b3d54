mod clients;
mod cluster;
mod harness;
mod left_out;
mod monitoring;
mod packaging;
mod simulated;
mod verdicts;
