mod cluster;

use proptest as _;
