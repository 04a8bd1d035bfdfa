//! A JumpCloud Directory Insights API to test against.

mod catalogue;
mod dice;
mod event;
mod faults;
mod fixtures;
mod generate;
mod model;
mod server;

pub use event::{Event, Kind, SERVICES, Service};
pub use faults::{Fault, Faults, RetryAfter, Rule, When, Wire};
pub use fixtures::published_events;
pub use generate::{Generator, Recipe, organization_id};
pub use model::{
    Access, Answer, Behaviour, DEFAULT_KEY, DEFAULT_SERVICE_ACCOUNT, EndTime, Endpoint,
    ForeignCursor, Model, Organization, Request, Stats,
};
pub use server::{Config, Seen, Simulator};
