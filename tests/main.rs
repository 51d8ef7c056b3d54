mod clients;
mod cluster;
mod packaging;
mod simulated;
mod verdicts;
