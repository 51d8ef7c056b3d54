mod clients;
mod cluster;
mod simulated;

use proptest as _;
