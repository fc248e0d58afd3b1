//! How capacity is searched.

use std::time::Duration;

use crate::base::units::{Rate, Share};
use crate::scenario::shape::At;

record! {
    /// A search for the highest rate at which all critical promises hold, instead of one run.
    pub struct Capacity {
        /// Which traffic's rate; needed where there are several.
        traffic: Option<At<String>>,
        /// The first rate that is tried; that at which the load of the traffic begins when left out.
        from: Option<At<Rate>>,
        /// The highest rate that is tried; whatever the generator can do when left out.
        up_to: Option<At<Rate>>,
        /// How close the search comes, 0.5% to 20%; 5% when left out.
        resolution: Option<At<Share>>,
        /// How long each probe is measured at least, 1s to 10m; 10s when left out. Where its promises need more shots it is longer.
        probe: Option<At<Duration>>,
        /// How long each probe warms up before, which is not judged; 3s when left out.
        warm_up: Option<At<Duration>>,
        /// How long the search may take; then it ends with what is known.
        max_time: Option<At<Duration>>,
        /// Faults under each of which the search is repeated: what is left of the capacity without what they take away. `replica` is
        /// one replica less of several.
        without: Option<At<Vec<At<String>>>>,
    }
}
