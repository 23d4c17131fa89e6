//! Rings after less than a millisecond, which is the finest that the timers of the runtime know.

use std::time::Duration;

pub(crate) use platform::FineTimer;

#[cfg(target_os = "linux")]
mod platform {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::Duration;

    /// To set a timer may take as long as this: one that is to ring earlier rings before the thread can sleep, and only costs.
    const FINEST: Duration = Duration::from_micros(20);

    /// A timer of the kernel. A thread that waits for it sleeps, and is awake for everything else as well.
    #[derive(Debug, Clone)]
    pub(crate) struct FineTimer(Arc<AsyncFd<OwnedFd>>);

    impl FineTimer {
        /// A timer of the runtime that this is called in, whose input and output must be enabled. `None` if the system
        /// has no more of them.
        pub(crate) fn new() -> Option<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            #[expect(
                deprecated,
                reason = "its successor is unsafe to call; a file descriptor that is owned is what it asks for"
            )]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE).ok()?;
            Some(Self(Arc::new(timer)))
        }

        /// Is ready `time` after this is awaited, or [`FINEST`] if that is longer. One ring at a time: the one before must be over.
        pub(crate) async fn ring_after(self, time: Duration) -> io::Result<()> {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let time = time.max(FINEST);
            let time = Timespec::try_from(time).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            let once = Itimerspec { it_interval: never, it_value: time };
            timerfd_settime(&*self.0, TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                if let Ok(rang) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; size_of::<u64>()])?)) {
                    return rang.map(drop);
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::io;

    use super::Duration;

    /// There is no such timer here.
    #[derive(Debug, Clone)]
    pub(crate) enum FineTimer {}

    impl FineTimer {
        /// `None`: whoever would wait looks again at once.
        pub(crate) fn new() -> Option<Self> {
            None
        }

        /// Cannot be called.
        pub(crate) async fn ring_after(self, _time: Duration) -> io::Result<()> {
            match self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::time::{Clock, RuntimeClock};

    async fn time_of_a_ring_after(timer: &FineTimer, time: Duration) -> Duration {
        let clock = RuntimeClock::start();
        let began = clock.now();
        timer.clone().ring_after(time).await.expect("the timer rings");
        clock.now().since(began)
    }

    #[test]
    fn a_timer_rings_again_and_again_and_never_too_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = FineTimer::new().expect("the system has timers");
            for micros in [50, 0, 300, 1] {
                let time = Duration::from_micros(micros);
                assert!(time_of_a_ring_after(&timer, time).await >= time);
            }
        });
    }

    #[test]
    fn a_ring_that_nobody_waits_for_any_more_gives_way_to_the_next() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = FineTimer::new().expect("the system has timers");
            let given_up = timer.clone().ring_after(Duration::from_secs(3600));
            assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
            let time = Duration::from_millis(2);
            assert!(time_of_a_ring_after(&timer, time).await >= time);
        });
    }
}
