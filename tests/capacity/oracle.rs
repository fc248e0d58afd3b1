//! What the knees of the laws are, by formulas of the books. Nothing of it is shared with what is tested.

/// The rate at which something that rises with it reaches a bound.
fn reaches(bound: f64, low: f64, high: f64, at: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if at(middle) < bound { low = middle } else { high = middle }
    }
    low
}

/// M/M/c, first come, first served: the chance to wait is Erlang's C, and
/// P(T > t) = e^{−μt} · (1 + C · (1 − e^{−μt(c − 1 − a)}) / (c − 1 − a)), with a = λ/μ.
pub fn mmc(servers: u32, service: f64, bound: f64) -> f64 {
    let mu = 1.0 / service;
    let c = f64::from(servers);
    let slow = |lambda: f64| {
        let a = lambda / mu;
        // By the recursion of B: C = B / (1 − ρ(1 − B)).
        let blocked = erlang_b(servers, a);
        let waits = blocked / (1.0 - a / c * (1.0 - blocked));
        let rest = c - 1.0 - a;
        (-mu * bound).exp() * (1.0 + waits * (1.0 - (-mu * bound * rest).exp()) / rest)
    };
    reaches(0.05, 0.0, c * mu * 0.99999, slow)
}

/// Erlang's B by its recursion.
fn erlang_b(servers: u32, a: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, n| a * blocked / (f64::from(n) + a * blocked))
}

/// M/D/1 (Crommelin 1932): P(W ≤ t) = (1 − ρ) Σ_{k ≤ t/D} (λ(kD − t))^k / k! · e^{−λ(kD − t)}.
pub fn md1(service: f64, bound: f64) -> f64 {
    let slow = |lambda: f64| {
        let wait = bound - service;
        let mut sum = 0.0;
        for k in 0..=(wait / service).floor() as u32 {
            let x = lambda * (f64::from(k) * service - wait);
            let term = (1..=k).fold(1.0, |term, i| term * x / f64::from(i));
            sum += term * (-x).exp();
        }
        1.0 - (1.0 - lambda * service) * sum
    };
    reaches(0.05, 0.0, 0.99999 / service, slow)
}

/// A limit on how many are in it: Erlang's B reaches the share.
pub fn limit(slots: u32, service: f64, share: f64) -> f64 {
    reaches(share, 0.0, 10.0 * f64::from(slots) / service, |lambda| erlang_b(slots, lambda * service))
}

/// A token bucket with Poisson arrivals refuses as M/D/1/K does, K being its burst: 1 − 1 / (π₀ + ρ), where π are the chances
/// of M/D/1 at departures, of which only the first K count.
pub fn bucket(rate: f64, burst: u32, share: f64) -> f64 {
    let refused = |lambda: f64| {
        let load = lambda / rate;
        let k = burst as usize;
        let mut arrivals = vec![(-load).exp()];
        for j in 1..=k {
            arrivals.push(arrivals[j - 1] * load / j as f64);
        }
        let mut chances = vec![1.0];
        for j in 0..k - 1 {
            let come: f64 = (1..=j).map(|i| chances[i] * arrivals[j - i + 1]).sum();
            chances.push((chances[j] - chances[0] * arrivals[j] - come) / arrivals[0]);
        }
        let all: f64 = chances.iter().sum();
        1.0 - 1.0 / (1.0 / all + load)
    };
    reaches(share, rate * 0.2, rate * 2.0, refused)
}

/// A server that stands still for P in every E, by the time that work waits longer than x = bound − S. At the beginning of a pause
/// there is P and the work V of a queue M/D/1, λS² / 2(1 − ρ); from then on it goes down by one a second and up by S with every arrival.
/// Such a process is above x for (P + V − x) / (1 − ρ), until it is there for the first time, and then again and again, for
/// λS² / 2(1 − ρ)² in all (from its generator, −f′(w) + λ(f(w + S) − f(w)) = −1 above and 0 below). Beside those who come
/// then, whoever is in the system when a pause begins waits through it: S + V by Little, for each arrival.
pub fn pauses(service: f64, pause: f64, every: f64, bound: f64) -> f64 {
    let slow = |lambda: f64| {
        let idle = 1.0 - lambda * service;
        let work = lambda * service * service / (2.0 * idle);
        let above = (pause + work - (bound - service)) / idle + work / idle;
        (above + service + work) / every
    };
    reaches(0.05, 0.0, 0.999 / service, slow)
}

/// A retry storm breaks where one server is full.
pub fn storm(service: f64) -> f64 {
    1.0 / service
}
