//! Decides what a function over whole windows is: it sees a key, a window and what that holds, and may remember things.

use millstream_actors::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TimeWindow;
use super::present::Present;
use crate::error::Result;
use crate::model::Data;

/// Makes results of what a window holds when it fires. Write your own where a closure is too little: if something must
/// be remembered, or may fail.
///
/// `I` is what it is given: `[Record<T>]` by [`process`](crate::WindowedStream::process), or the result of an aggregate
/// by [`aggregate_then`](crate::WindowedStream::aggregate_then).
///
/// # State
/// One [`KeyState`](Self::KeyState) per key, for ever, and one [`WindowState`](Self::WindowState) per key and window
/// that has fired, until the window is over. With `()` nothing is kept.
///
/// # Recovery
/// A snapshot holds both states. What the function keeps in its own fields is lost.
///
/// # Example
/// How much more than the highest total so far a window has:
/// ```
/// use millstream::operator::window::{TimeWindow, WindowContext, WindowFunction};
/// use millstream::prelude::*;
///
/// #[derive(Clone)]
/// struct Records;
///
/// impl WindowFunction<u32, u64> for Records {
///     type Out = String;
///     type KeyState = u64;
///     type WindowState = ();
///
///     fn process(
///         &mut self,
///         taxi: &u32,
///         fares: &u64,
///         context: &mut WindowContext<'_, u64, ()>,
///         out: &mut Vec<String>,
///     ) -> Result<()> {
///         if fares > context.key_state {
///             out.push(format!("taxi {taxi} has a new record in {}: {fares}", context.window()));
///             *context.key_state = *fares;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait WindowFunction<K, I: ?Sized>: Clone + Send + 'static {
    /// What it makes.
    type Out: Data;
    /// What it remembers of a key, over all windows.
    type KeyState: Default + Serialize + DeserializeOwned + Send + 'static;
    /// What it remembers of a key in one window. Windows that merge have none.
    type WindowState: Default + Serialize + DeserializeOwned + Send + 'static;

    /// Pushes results to `out`. They carry the window's last timestamp.
    ///
    /// # Errors
    /// What it returns as an error fails the attempt.
    fn process(
        &mut self,
        key: &K,
        contents: &I,
        context: &mut WindowContext<'_, Self::KeyState, Self::WindowState>,
        out: &mut Vec<Self::Out>,
    ) -> Result<()>;
}

/// The window that fires, the present, and what is remembered.
pub struct WindowContext<'a, S, W> {
    pub(super) window: TimeWindow,
    pub(super) time: &'a Present,
    /// What is remembered of the key.
    pub key_state: &'a mut S,
    /// What is remembered of the key in this window, since it fired first.
    pub window_state: &'a mut W,
}

impl<S, W> WindowContext<'_, S, W> {
    /// The window.
    #[must_use]
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// The current watermark; [`Timestamp::MIN`] as long as there is none.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.time.watermark()
    }

    /// The machine's time.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.time.now()
    }
}
