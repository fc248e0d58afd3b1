//! The life of a stage. A run holds it by a lease: while the lease holds, the run's orders are obeyed; when it breaks,
//! however the run died, every fault is over at once and stubs and links go on cleanly for a while, so that the
//! service under test is not left with dead ports.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::config::Config;
use super::faults;
use super::protocol::{self, Lines, Order, Report};
use super::warden::Warden;
use super::world::World;
use crate::base::time::{Clock, Offset};
use crate::evidence::undo::UndoLog;

/// How often the record of decisions is handed to the system.
const FLUSH: Duration = Duration::from_secs(1);
/// How long the last reports may take.
const PARTING: Duration = Duration::from_secs(1);

/// How often it is tried to undo what another server holds.
const UNDOING: usize = 50;

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By order.
    Closed,
    /// The run died, or cannot be understood any more.
    Broken,
}

/// The stage of one run: opens what the first order says, and returns when the run is over: at once after an orderly
/// end, after lingering when the lease broke.
pub async fn serve<R, W>(orders: R, reports: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    serve_until(orders, reports, std::future::pending()).await;
}

/// As [`serve`], until it is told to stop: then nothing lingers.
pub async fn serve_until<R, W>(orders: R, reports: W, stop: impl Future<Output = ()>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    tokio::pin!(stop);
    let mut world = None;
    let end = hold(orders, reports, &mut world, Wards::Held, &mut stop).await;
    if let (End::Broken, Some(world)) = (end, &world) {
        tokio::select! {
            () = sleep(world.linger) => {}
            () = stop => {}
        }
    }
}

/// Whether a stage is a warden too. One that was started by hand obeys whoever connects: it runs nobody's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wards {
    /// Recipes are held.
    Held,
    /// They are refused.
    Refused,
}

/// One lease from its beginning to its end, or until it is told to stop. Afterwards no fault is effective.
pub(super) async fn hold<R, W>(
    orders: R,
    mut reports: W,
    world: &mut Option<World>,
    wards: Wards,
    stop: impl Future<Output = ()>,
) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut warden = None;
    let (news, mut outgoing) = mpsc::unbounded_channel();
    // Beside the orders and not between them: a run that stopped reading must not keep a fault alive.
    let writing = async {
        let mut gone = false;
        while let Some(report) = outgoing.recv().await {
            gone = gone || protocol::write(&mut reports, &report).await.is_err();
        }
    };
    tokio::pin!(writing);
    let end = tokio::select! {
        end = obey(orders, news.clone(), world, wards, &mut warden) => end,
        () = &mut writing => End::Broken,
        () = stop => End::Closed,
    };
    if let Some(world) = world {
        {
            let mut scene = world.scene();
            let now = scene.now();
            scene.faults.clear_all(now);
            scene.faults.silence();
        }
        let now = world.scene().now();
        undo(world, now).await;
    }
    if let Some(warden) = &mut warden {
        let undoing = async {
            warden.undo_all(&news).await;
            if end == End::Broken {
                warden.undo_rest(&news).await;
            }
        };
        // The run, if it lives, hears of each as it is done.
        tokio::select! {
            () = undoing => {}
            () = &mut writing => {} // not while there may be news
        }
    }
    drop(news);
    let _ = timeout(PARTING, writing).await;
    end
}

/// Ends the faults on links and Kafka clusters; what another server holds is asked for again for a while.
async fn undo(world: &mut World, now: Offset) {
    for _ in 0..UNDOING {
        let reports = world.way_faults.expire(now, None).await;
        if !reports.iter().any(|report| matches!(report, Report::Failed { .. })) {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Does what the run says, until it says no more.
async fn obey<R: AsyncRead + Unpin>(
    orders: R,
    news: mpsc::UnboundedSender<Report>,
    world: &mut Option<World>,
    wards: Wards,
    warden: &mut Option<Warden>,
) -> End {
    let mut lines = Lines::new(orders);
    let mut flush = interval(FLUSH);
    flush.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut opened = false;
    let fail = |fault, why: String| {
        let _ = news.send(Report::Failed { fault, why });
    };
    loop {
        let expiry = world.as_ref().map_or(Duration::MAX, |world| {
            let scene = world.scene();
            let next = scene.faults.next_expiry().into_iter().chain(world.way_faults.next_expiry()).min();
            faults::until(next, scene.now())
        });
        let order = tokio::select! {
            line = lines.next::<Order>() => match line {
                None => return End::Broken,
                Some(Ok(order)) => order,
                Some(Err(why)) => {
                    fail(None, why);
                    continue;
                }
            },
            _ = flush.tick() => {
                if let Some(world) = world {
                    world.scene().faults.flush();
                }
                continue;
            }
            () = sleep(warden.as_ref().map_or(Duration::MAX, Warden::until_due)) => {
                if let Some(warden) = warden {
                    warden.expire(&news);
                }
                continue;
            }
            () = sleep(expiry) => {
                if let Some(world) = world {
                    let now = world.scene().now();
                    world.scene().faults.expire(now);
                    for report in world.way_faults.expire(now, Some(now)).await {
                        let _ = news.send(report);
                    }
                }
                continue;
            }
        };
        match (order, &mut *world) {
            (Order::Close, _) => return End::Closed,
            (Order::Open(_), _) if opened => fail(None, "the stage is open already".into()),
            (Order::Open(config), world) => match open(&config, world, &news).await {
                Ok(ready) => {
                    opened = true;
                    let log = config.undo.as_ref().filter(|_| wards == Wards::Held);
                    *warden = log.map(|log| Warden::new(UndoLog::at(log), Clock::with_zero(config.zero)));
                    let _ = news.send(ready);
                }
                Err(why) => fail(None, why),
            },
            (Order::Hold { recipe, ttl }, _) => {
                let id = recipe.id;
                let _ = news.send(match warden {
                    Some(warden) => {
                        warden.hold(*recipe, ttl);
                        Report::Held { id }
                    }
                    None => Report::Stuck { id, why: "this stage holds no recipes".into() },
                });
            }
            (Order::Undo { id }, _) => _ = warden.as_mut().map(|warden| warden.undo(id, &news)),
            (Order::Release { id }, _) => _ = warden.as_mut().map(|warden| warden.release(id)),
            (Order::Apply { fault } | Order::Clear { fault }, None) => fail(Some(fault), "nothing is open".into()),
            (Order::Apply { fault } | Order::Clear { fault }, _) if !opened => {
                fail(Some(fault), "this run has opened nothing".into());
            }
            (Order::Lead { .. }, None) => fail(None, "nothing is open".into()),
            (Order::Lead { link, to }, Some(world)) => match world.lead(&link, &to).await {
                Ok(()) => _ = news.send(Report::Led { link }),
                Err(why) => fail(None, why),
            },
            (Order::Apply { fault }, Some(world)) if world.way_faults.has(fault) => {
                let now = world.scene().now();
                world.scene().faults.untouched(fault);
                world.scene().tell_calls(now);
                let _ = news.send(world.way_faults.apply(fault, now).await);
            }
            (Order::Clear { fault }, Some(world)) if world.way_faults.has(fault) => {
                let now = world.scene().now();
                let report = world.way_faults.clear(fault, now).await;
                // The record must be there before anybody reads that the fault is over.
                world.scene().faults.flush();
                world.scene().tell_calls(now);
                let _ = news.send(report);
            }
            (Order::Apply { fault }, Some(world)) => {
                let mut scene = world.scene();
                let now = scene.now();
                scene.tell_calls(now);
                scene.faults.apply(fault, now);
            }
            (Order::Clear { fault }, Some(world)) => {
                let mut scene = world.scene();
                let now = scene.now();
                scene.tell_calls(now);
                scene.faults.clear(fault, now);
            }
        }
    }
}

/// Opens a world, or adopts the one that stands.
async fn open(
    config: &Config,
    world: &mut Option<World>,
    news: &mpsc::UnboundedSender<Report>,
) -> Result<Report, String> {
    let world = match world {
        Some(world) => {
            world.adopt(config, news.clone()).await?;
            world
        }
        None => world.insert(World::open(config, news.clone()).await?),
    };
    let find = |name: &String, all: &[(String, String)]| {
        let found = all.iter().find(|(known, _)| known == name);
        (name.clone(), found.map(|(_, address)| address.clone()).unwrap_or_default())
    };
    Ok(Report::Ready {
        upstreams: config.upstreams.iter().map(|u| find(&u.name, &world.upstreams)).collect(),
        links: config.links.iter().map(|l| find(&l.name, &world.links)).collect(),
        kafka: config.kafka.iter().map(|k| find(&k.name, &world.kafka)).collect(),
        pid: std::process::id(),
    })
}

#[cfg(test)]
mod tests;
