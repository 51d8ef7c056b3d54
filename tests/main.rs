mod simulated;

use proptest as _;
