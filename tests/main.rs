mod clients;

use proptest as _;
