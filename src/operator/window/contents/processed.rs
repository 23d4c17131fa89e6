//! Lets a function of the user that remembers things make results of windows.

use std::borrow::Borrow;
use std::marker::PhantomData;

use super::{Finish, Finishes, Firing};
use crate::error::{Error, Result};
use crate::model::Key;
use crate::operator::window::{Keying, TimeWindow, WindowContext, WindowFunction};
use crate::operator::{Emit, PartVisitor, SubtaskContext};
use crate::state::{Table, WindowTable};

/// Emits what a [`WindowFunction`] makes of what the window gives.
///
/// A state without size holds nothing, so there is no table for it.
pub(crate) struct Processed<K: Key, I: ?Sized, F: WindowFunction<K, I>> {
    uid: String,
    function: F,
    key_states: Option<Table<K, F::KeyState>>,
    window_states: Option<WindowTable<TimeWindow, K, F::WindowState>>,
    results: Vec<F::Out>,
    takes: PhantomData<fn(&I)>,
}

impl<K: Key, I: ?Sized, F: WindowFunction<K, I>> Processed<K, I, F> {
    pub(crate) fn new(function: F) -> Self {
        Self {
            uid: String::new(),
            function,
            key_states: None,
            window_states: None,
            results: Vec::new(),
            takes: PhantomData,
        }
    }
}

impl<K: Key, I: ?Sized + 'static, F: WindowFunction<K, I>> Finishes for Processed<K, I, F> {
    type Out = F::Out;

    fn open(&mut self, uid: &str, context: &mut SubtaskContext) -> Result<()> {
        uid.clone_into(&mut self.uid);
        if size_of::<F::KeyState>() > 0 {
            self.key_states = Some(context.table(&format!("{uid}/keys"))?);
        }
        if size_of::<F::WindowState>() > 0 {
            self.window_states = Some(WindowTable::open(context.store(uid)?, &format!("{uid}/windows"))?);
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        if let Some(table) = &mut self.key_states {
            visitor.tables(table);
        }
        if let Some(table) = &mut self.window_states {
            visitor.tables(table);
        }
    }

    fn first_remembered(&mut self) -> Result<Option<TimeWindow>> {
        Ok(self.window_states.as_mut().map_or(Ok(None), WindowTable::first)?)
    }

    fn forget(&mut self, window: TimeWindow, at_most: usize) -> Result<bool> {
        let Some(table) = &mut self.window_states else { return Ok(true) };
        table.take(window, at_most, |_, _, _| Ok(()))
    }
}

impl<Z, I, G, F> Finish<Z, G> for Processed<Z::Key, I, F>
where
    Z: Keying,
    I: ?Sized + 'static,
    G: Borrow<I>,
    F: WindowFunction<Z::Key, I>,
{
    fn finish<E: Emit<F::Out>>(&mut self, firing: &Firing<'_, Z::Key>, given: G, out: &mut E) -> Result<()> {
        let (mut no_key_state, mut no_window_state) = (F::KeyState::default(), F::WindowState::default());
        let key_state = match &mut self.key_states {
            Some(table) => table.get_or_insert_with(firing.hash, firing.key, F::KeyState::default)?,
            None => &mut no_key_state,
        };
        let window_state = match &mut self.window_states {
            Some(table) => table.get_or_insert_with(firing.window, firing.hash, firing.key, F::WindowState::default)?,
            None => &mut no_window_state,
        };
        let mut context = WindowContext { window: firing.window, time: firing.time, key_state, window_state };
        let outcome = self.function.process(firing.key, given.borrow(), &mut context, &mut self.results);
        outcome.map_err(|error| Error::user(&self.uid, error))?;
        self.results.drain(..).try_for_each(|value| out.emit(firing.result(value)))
    }
}
