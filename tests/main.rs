mod clients;
mod cluster;
mod monitoring;
mod simulated;
