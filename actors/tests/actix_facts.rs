//! The facts about actix 0.13 that the actors here are built around. If one of these tests fails after an update, the
//! design has a choice that it did not have before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix::dev::SendError;
use actix::prelude::*;
use tokio::sync::oneshot;

/// Counts the letters it gets, over all its lives.
#[derive(Clone, Default)]
struct Counting {
    letters: Arc<AtomicU32>,
    restarts: Arc<AtomicU32>,
    capacity: Option<usize>,
}

impl Counting {
    fn letters(&self) -> u32 {
        self.letters.load(Ordering::SeqCst)
    }

    fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::SeqCst)
    }
}

impl Actor for Counting {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(capacity) = self.capacity {
            ctx.set_mailbox_capacity(capacity);
        }
    }
}

impl Supervised for Counting {
    fn restarting(&mut self, _ctx: &mut Context<Self>) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }
}

/// A letter, and what its handler does besides counting it.
enum Letter {
    Count,
    WaitFor(oneshot::Receiver<()>),
    Stop,
    Panic,
}

impl Message for Letter {
    type Result = ();
}

impl Handler<Letter> for Counting {
    type Result = ();

    fn handle(&mut self, letter: Letter, ctx: &mut Context<Self>) {
        self.letters.fetch_add(1, Ordering::SeqCst);
        match letter {
            Letter::Count => {}
            Letter::WaitFor(released) => ctx.wait(released.into_actor(self).map(|_, _, _| ())),
            Letter::Stop => ctx.stop(),
            Letter::Panic => panic!("a handler panics"),
        }
    }
}

/// Runs `body` in an actor system of its own.
fn in_system<F: Future<Output = ()>>(body: F) {
    System::new().block_on(body);
}

/// Gives every task of the thread many turns.
async fn let_all_others_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn do_send_ignores_the_capacity_of_a_mailbox() {
    in_system(async {
        let actor = Counting { capacity: Some(1), ..Counting::default() };
        let address = actor.clone().start();
        let_all_others_run().await;

        // Nobody takes mail between these lines, so the mailbox is full after a few letters; `try_send` minds that.
        let refused = (0..100).filter(|_| matches!(address.try_send(Letter::Count), Err(SendError::Full(_)))).count();
        assert!(refused >= 98, "{refused}");
        (0..1000).for_each(|_| address.do_send(Letter::Count));
        let_all_others_run().await;
        assert_eq!(actor.letters(), 1000 + 100 - refused as u32);
    });
}

#[test]
fn ctx_wait_stops_all_mail_also_control_mail() {
    in_system(async {
        let (actor, (release, released)) = (Counting::default(), oneshot::channel());
        let address = actor.clone().start();
        address.do_send(Letter::WaitFor(released));
        let_all_others_run().await;
        assert_eq!(actor.letters(), 1);

        // Even an order to stop is not heard while the actor waits.
        address.do_send(Letter::Stop);
        let_all_others_run().await;
        assert_eq!((actor.letters(), address.connected()), (1, true));

        release.send(()).expect("the actor waits for it");
        let_all_others_run().await;
        assert_eq!((actor.letters(), address.connected()), (2, false));
    });
}

#[test]
fn a_restart_by_the_supervisor_of_actix_keeps_the_old_mailbox() {
    in_system(async {
        let actor = Counting::default();
        let own = actor.clone();
        let address = Supervisor::start(move |_| own);
        // Two letters wait behind the one that ends the first life.
        address.do_send(Letter::Stop);
        address.do_send(Letter::Count);
        address.do_send(Letter::Count);
        let_all_others_run().await;
        // The second life got them, though they were meant for the first; the address is the same, and so is the value.
        assert_eq!((actor.restarts(), actor.letters(), address.connected()), (1, 3, true));
    });
}

#[test]
fn the_supervisor_of_actix_does_not_catch_panics() {
    in_system(async {
        let (actor, neighbour) = (Counting::default(), Counting::default());
        let own = actor.clone();
        let (address, beside) = (Supervisor::start(move |_| own), neighbour.clone().start());
        assert_eq!(address.send(Letter::Panic).await, Err(MailboxError::Closed));
        // No second life: the mailbox is gone together with its supervisor.
        assert_eq!((actor.restarts(), address.connected()), (0, false));
        assert_eq!(address.send(Letter::Count).await, Err(MailboxError::Closed));
        // Only that task died; the thread and its other actors live on.
        assert_eq!(beside.send(Letter::Count).await, Ok(()));
        assert_eq!(neighbour.letters(), 1);
    });
}
