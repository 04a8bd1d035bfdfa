//! A JumpCloud Directory Insights API to test against.
//!
//! It follows the API's public documentation and what was seen in the field, and shares no code
//! with the collector that it tests. It isn't JumpCloud: where the documentation is silent it takes
//! one reading, and [`Behaviour`] offers the others.
//!
//! | part | what it does |
//! |---|---|
//! | [`Model`] | the API without sockets or a clock: request and time in, [`Answer`] out |
//! | [`Recipe`] | makes realistic events from a seed, with their ground truth ([`Event`]) |
//! | [`published_events`] | events that others published, moved to recent times |
//! | [`Faults`] | what goes wrong, and when |
//! | [`Simulator`] | the model behind HTTP on this machine |
//!
//! # Over HTTP
//!
//! ```
//! use jumpcloud_simulator::{Config, DEFAULT_KEY, Kind, Model, Recipe, Simulator};
//!
//! # let now_ms = 1_780_000_000_000;
//! let recipe = Recipe { seed: 7, ..Recipe::new(200, now_ms) };
//! let simulator = Simulator::start(Config::new(Model::tenant(&recipe)))?;
//! simulator.model().faults.add("status=429,retry-after=1,on=events,nth=2".parse()?);
//!
//! // Run the collector against `simulator.base_url()` with the key `DEFAULT_KEY`, then compare:
//! let now_ms = simulator.now_ms();
//! let logins = simulator
//!     .model()
//!     .events()
//!     .filter(|event| event.kind == Kind::Login && event.visible_at <= now_ms)
//!     .count();
//! assert!(logins > 100);
//! assert_eq!(simulator.seen().len(), 0);
//!
//! // Half-way through, a key may die, time may jump, events may arrive:
//! simulator.model().access.revoke_key(DEFAULT_KEY);
//! simulator.set_clock_offset_ms(3_600_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In virtual time
//!
//! ```
//! use jumpcloud_simulator::{DEFAULT_KEY, Model, Recipe, Request, Wire};
//!
//! let mut now_ms = 1_780_000_000_000;
//! let recipe = Recipe { seed: 7, bare: true, ..Recipe::new(200, now_ms) };
//! let mut model = Model::generated(&recipe);
//!
//! let answer = model.answer(
//!     Request {
//!         method: "POST",
//!         path: "/insights/directory/v1/events",
//!         headers: &[("x-api-key", DEFAULT_KEY)],
//!         body: br#"{"service":["all"],"start_time":"2026-05-28T00:00:00Z","limit":50}"#,
//!     },
//!     now_ms,
//! );
//! assert_eq!(answer.status, 200);
//! assert_eq!(answer.header("X-Result-Count"), Some("50"));
//! // What a fault of the wire does is up to the test's own transport.
//! assert_eq!(answer.wire, Wire::Whole);
//! now_ms += 60_000;
//! # let _ = now_ms;
//! ```

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
    Access, Always, Answer, Behaviour, DEFAULT_KEY, DEFAULT_SERVICE_ACCOUNT, EndTime, Endpoint,
    ExpiresIn, ForeignCursor, Model, Organization, Request, Stats,
};
pub use server::{Config, Seen, Simulator};
