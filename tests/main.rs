mod clients;
mod cluster;
mod simulated;
