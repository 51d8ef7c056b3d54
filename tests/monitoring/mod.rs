//! Metrics, alerts and the dashboard, as Prometheus and the people who read them see them.

pub mod documented;
pub mod openmetrics;
