//! The operator of windows: hands records, watermarks and processing time to the way of keeping that its windows need.

use millstream_actors::time::{TimeSignal, Timespan, Timestamp};
use millstream_actors::time_view::NextWindow;

use super::{Aligned, Asked, Fires, Keeper, Late, LateTo, Merged, Parts, Rule, Shared};
use crate::error::Result;
use crate::metrics::{Counter, UNFIRED};
use crate::model::{Data, Keyed, Record};
use crate::operator::small_state::{FIRED, FIRING};
use crate::operator::window::contents::Contents;
use crate::operator::window::local::KeyedPartial;
use crate::operator::window::present::Present;
use crate::operator::window::trigger::{Trigger, TriggerFor};
use crate::operator::window::{Keying, TimeDomain, WindowAssigner, WindowError, WindowKind, WindowTime};
use crate::operator::{After, Emission, Emit, Event, Operator, PartVisitor, SubtaskContext};

/// What a user has set about windows.
pub(crate) struct WindowSettings<T, A, R> {
    pub(crate) assigner: A,
    pub(crate) trigger: R,
    pub(crate) allowed_lateness: Timespan,
    pub(crate) late_to: Option<LateTo<T>>,
}

impl<T, A: Clone, R: Clone> Clone for WindowSettings<T, A, R> {
    fn clone(&self) -> Self {
        Self {
            assigner: self.assigner.clone(),
            trigger: self.trigger.clone(),
            allowed_lateness: self.allowed_lateness,
            late_to: self.late_to.clone(),
        }
    }
}

impl<T, A: WindowAssigner<T>, R> WindowSettings<T, A, R> {
    /// Looks for mistakes.
    pub(crate) fn check(&self) -> Result<(), WindowError> {
        self.assigner.check()?;
        let lateness = self.allowed_lateness;
        if lateness < Timespan::ZERO {
            return Err(WindowError::LatenessNegative { lateness });
        }
        let asks_for_late = lateness.is_positive() || self.late_to.is_some();
        if asks_for_late && A::Time::DOMAIN == TimeDomain::Processing {
            return Err(WindowError::NothingIsLate);
        }
        Ok(())
    }
}

impl<T, A, R> WindowSettings<T, A, R>
where
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
{
    /// The rule by which the windows fire, if what is kept of their records may be aggregated in parts, before the records
    /// meet: no record is wanted for itself, and each has one piece of time, which does not depend on when it comes.
    pub(crate) fn local_rule(&self) -> Option<Rule> {
        let rule = Rule::new(A::Time::DOMAIN, R::RULE, self.allowed_lateness);
        let in_one_piece = match (self.assigner.panes(), rule.fires()) {
            (None, fires) => fires != Fires::WhenAsked,
            (Some(_), _) => is_shared(&self.assigner, rule),
        };
        let fits = A::Time::DOMAIN == TimeDomain::Event && !A::Kind::MERGES && self.assigner.covers_time();
        (fits && in_one_piece && self.late_to.is_none()).then_some(rule)
    }
}

/// Whether windows that overlap are kept by what they share. It cannot be forgotten by one of them.
fn is_shared<T, A: WindowAssigner<T>>(assigner: &A, rule: Rule) -> bool {
    let forgets = matches!(rule.fires(), Fires::AtWindowEnd { purges } if purges && rule.allows_late());
    assigner.panes().is_some() && matches!(rule.fires(), Fires::AtWindowEnd { .. }) && !forgets
}

/// Any windows; built by the methods of [`WindowedStream`](crate::WindowedStream).
pub(crate) struct WindowOperator<Z: Keying, T, A, R: Trigger<T>, C: Contents<Z, T>> {
    kept: Kept<Z, T, A, R, C>,
    time: Present,
    advancing: Option<Advancing>,
    /// Whether records let windows fire that may give many results.
    fires_with_records: bool,
    /// Whether windows may wait for processing time.
    waits_for_clock: bool,
    /// Counts what waits for the clock when the input has ended.
    unfired: Counter,
}

/// Keys that may fire before the results that they leave for later are handed out: until then, what is kept of them is kept
/// twice.
const KEYS_THAT_OWE: usize = 64;

/// Records that may each let windows fire, likewise.
const RECORDS_THAT_OWE: usize = 32;

/// The way in which windows are kept.
#[expect(clippy::large_enum_variant, reason = "there is one per operator, and records go through it")]
enum Kept<Z: Keying, T, A, R: Trigger<T>, C: Contents<Z, T>> {
    Aligned(Aligned<Z, T, A, C>),
    Shared(Shared<Z, T, A, C>),
    Asked(Asked<Z, T, A, R, C>),
    Merged(Merged<Z, T, A, R, C>),
}

/// A point in time that has been reached, for which there is more to do.
#[derive(Debug, Clone, Copy)]
struct Advancing {
    domain: TimeDomain,
    until: Timestamp,
    /// What is to be handed on when all is done.
    signal: Option<TimeSignal>,
}

/// Does the same with whatever keeper there is. What the types of the windows rule out is not compiled.
macro_rules! each_kept {
    ($kept:expr, $keeper:ident => $call:expr) => {
        match $kept {
            Kept::Merged($keeper) if Self::MERGES => $call,
            Kept::Asked($keeper) if Self::ASKS => $call,
            Kept::Aligned($keeper) if Self::GOES_BY_RULE => $call,
            Kept::Shared($keeper) if Self::GOES_BY_RULE => $call,
            _ => unreachable!("windows are opened with a keeper that their types allow"),
        }
    };
}

impl<Z, T, A, R, C> WindowOperator<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    const MERGES: bool = A::Kind::MERGES;
    const ASKS: bool =
        !Self::MERGES && (C::CHANGED_BY_FIRING || matches!(Rule::fires_by(A::Time::DOMAIN, R::RULE), Fires::WhenAsked));
    const GOES_BY_RULE: bool = !Self::MERGES && !Self::ASKS;

    /// Opens the windows of `uid`, with what the snapshot has of them.
    pub(crate) fn open(
        uid: &str,
        settings: WindowSettings<T, A, R>,
        mut contents: C,
        context: &mut SubtaskContext,
    ) -> Result<Self> {
        let WindowSettings { assigner, trigger, allowed_lateness, late_to } = settings;
        let domain = A::Time::DOMAIN;
        let time = Present::open(uid, context)?;
        contents.open(uid, context)?;
        let rule = Rule::new(domain, R::RULE, allowed_lateness);
        let late = Late::open(late_to.as_ref(), context);
        let parts = Parts { assigner, trigger, contents, rule, late };
        let asks = rule.fires() == Fires::WhenAsked || C::CHANGED_BY_FIRING;
        let fires_with_records = C::LEAVES_RESULTS && (asks || rule.allows_late());
        // Any trigger may ask for a timer in either time.
        let waits_for_clock = domain == TimeDomain::Processing || rule.fires() == Fires::WhenAsked || Self::ASKS;
        let kept = match parts.assigner.panes() {
            _ if Self::MERGES => Kept::Merged(Merged::open(parts, &time, context)?),
            _ if Self::ASKS => Kept::Asked(Asked::open(parts, &time, context)?),
            Some(panes) if is_shared(&parts.assigner, rule) => {
                Kept::Shared(Shared::open(parts, panes, &time, context)?)
            }
            _ => Kept::Aligned(Aligned::open(parts, &time, context)?),
        };
        let unfired = context.counter(UNFIRED);
        let (until, is_firing) = (time.watermark(), context.was_firing(uid)?);
        let signal = Some(TimeSignal::Watermark(until));
        let advancing = is_firing.then_some(Advancing { domain: TimeDomain::Event, until, signal });
        Ok(Self { kept, time, advancing, fires_with_records, waits_for_clock, unfired })
    }

    /// Takes what was aggregated of records of a key before they came here.
    #[inline]
    pub(crate) fn on_partial<E: Emit<C::Out>>(
        &mut self,
        partial: KeyedPartial<Z::Key, C::Held>,
        out: &mut E,
    ) -> Result<()> {
        self.time.next();
        each_kept!(&mut self.kept, keeper => keeper.add_partial(partial, &self.time, out))
    }

    /// Hears of the keys of the records, or partial aggregates, that come next.
    #[inline(always)]
    pub(crate) fn look_ahead_at<V>(&mut self, upcoming: &[Keyed<Z::Key, V>]) {
        self.time.look_ahead(upcoming.len());
        let hashes = upcoming.iter().map(|keyed| keyed.hash);
        each_kept!(&mut self.kept, keeper => keeper.look_ahead(hashes));
    }

    /// Begins to do what is due. What follows is left for later, since it may be much; if nothing does, it is done.
    fn begin<E: Emit<C::Out>>(&mut self, advancing: Advancing, out: &mut E) -> Result<()> {
        let due = each_kept!(&mut self.kept, keeper => keeper.next_due(advancing.domain))?;
        self.advancing = Some(advancing);
        if due.is_some_and(|due| due <= advancing.until) { Ok(()) } else { self.go_on(0, out) }
    }

    /// Goes on with what firings have left for later, and behind that with what is due.
    fn go_on<E: Emit<C::Out>>(&mut self, at_most: usize, out: &mut E) -> Result<()> {
        let mut budget = at_most;
        let mut all_out = self.hand_out(&mut budget, out)?;
        while all_out && let Some(Advancing { domain, until, signal }) = self.advancing {
            let granted = if C::LEAVES_RESULTS { budget.min(KEYS_THAT_OWE) } else { budget };
            let (mut left, time) = (granted, &self.time);
            let done = each_kept!(&mut self.kept, keeper => keeper.advance(domain, until, &mut left, time, out))?;
            budget -= if done { granted - left } else { granted };
            all_out = self.hand_out(&mut budget, out)?;
            if done && all_out {
                self.advancing = None;
                return signal.map_or(Ok(()), |signal| out.signal(signal));
            }
            if budget == 0 {
                break;
            }
        }
        Ok(())
    }

    fn hand_out<E: Emit<C::Out>>(&mut self, budget: &mut usize, out: &mut E) -> Result<bool> {
        each_kept!(&mut self.kept, keeper => keeper.hand_out(budget, out))
    }

    /// Whether there is more to do for what was heard.
    fn is_unfinished(&self) -> bool {
        self.advancing.is_some() || each_kept!(&self.kept, keeper => keeper.owes())
    }

    /// Does all that is due.
    fn finish<E: Emit<C::Out>>(&mut self, out: &mut E) -> Result<()> {
        while self.is_unfinished() {
            self.go_on(usize::MAX, out)?;
        }
        Ok(())
    }
}

impl<Z, T, A, R, C> Operator for WindowOperator<Z, T, A, R, C>
where
    Z: Keying,
    T: Data,
    A: WindowAssigner<T>,
    R: TriggerFor<A::Kind, T>,
    C: Contents<Z, T>,
{
    type In = Keyed<Z::Key, T>;
    type Out = C::Out;

    #[inline(always)]
    fn on_record<E: Emit<C::Out>>(&mut self, record: Record<Keyed<Z::Key, T>>, out: &mut E) -> Result<()> {
        let Keyed { hash, key, value } = record.value;
        self.time.next();
        let (record, time) = (Record { value, time: record.time }, &self.time);
        each_kept!(&mut self.kept, keeper => keeper.add(hash, &key, record, time, out))
    }

    #[inline(always)]
    fn look_ahead(&mut self, upcoming: &[Keyed<Z::Key, T>]) {
        self.look_ahead_at(upcoming);
    }

    fn on_signal<E: Emit<C::Out>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        self.time.next();
        // Only an end of the input comes before all is done.
        self.finish(out)?;
        match signal {
            TimeSignal::Watermark(until) if self.time.advance(until) => {
                self.begin(Advancing { domain: TimeDomain::Event, until, signal: Some(signal) }, out)
            }
            _ => out.signal(signal),
        }
    }

    fn on_event<E: Emit<C::Out>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        self.time.next();
        match event {
            Event::ProcessingTime(until) => {
                self.finish(out)?;
                self.begin(Advancing { domain: TimeDomain::Processing, until, signal: None }, out)
            }
            Event::Resume { at_most } => self.go_on(at_most, out),
            Event::End => {
                self.finish(out)?;
                if A::Time::DOMAIN == TimeDomain::Processing {
                    // Nothing waits for the clock any more: that would let a job with an end wait for the end of a window.
                    self.unfired.add(each_kept!(&mut self.kept, keeper => keeper.unfired())?);
                }
                Ok(())
            }
            Event::Woken | Event::Unassigned | Event::Stalled(_) => Ok(()),
        }
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        each_kept!(&mut self.kept, keeper => keeper.parts(visitor));
        self.time.parts(visitor);
        let uid = self.time.uid();
        visitor.small_state(uid, FIRED, &mut |fired| {
            each_kept!(&self.kept, keeper => keeper.fired()).map_or(Ok(()), |until| fired.put(&until))
        });
        // What is due by the clock fires at once after a restore.
        let is_firing = matches!(self.advancing, Some(Advancing { domain: TimeDomain::Event, .. }));
        visitor.small_state(uid, FIRING, &mut |firing| if is_firing { firing.put(&1u8) } else { Ok(()) });
        if self.waits_for_clock {
            visitor.due(&mut || each_kept!(&mut self.kept, keeper => keeper.next_due(TimeDomain::Processing)));
        }
        let after = if C::LEAVES_RESULTS { After::Records } else { After::Events };
        visitor
            .emission(after, &mut || if self.is_unfinished() { Emission::Interruptible } else { Emission::Complete });
        if self.fires_with_records {
            visitor.room(&mut || RECORDS_THAT_OWE);
        }
        visitor.event_time(&mut |time| {
            if let Some((window, waits_for)) = each_kept!(&mut self.kept, keeper => keeper.next_window())? {
                let next = NextWindow::new(self.time.shared_uid(), window.end(), waits_for);
                time.next_window = Some(if A::Kind::MERGES { next.growing() } else { next });
            }
            Ok(())
        });
    }
}
