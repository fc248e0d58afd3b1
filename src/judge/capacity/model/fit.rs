//! Least squares for curves of a few parameters: Levenberg's and Marquardt's method (Quarterly of Applied Mathematics 2, 1944;
//! SIAM Journal on Applied Mathematics 11, 1963), with slopes by differences.

/// So many steps are enough for curves of this size.
const STEPS: usize = 200;
/// A step that gains less than this part of what is left is the last.
const ENOUGH: f64 = 1e-12;

/// Where the squares are least.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit<const P: usize> {
    /// The parameters.
    pub at: [f64; P],
    /// The sum of the squares that are left.
    pub squares: f64,
}

/// The parameters, from a start, at which the sum of squared residuals is least. Where residuals are not finite a curve does
/// not go; nothing when the start is such a place.
pub fn least_squares<const P: usize>(start: [f64; P], residuals: impl Fn(&[f64; P]) -> Vec<f64>) -> Option<Fit<P>> {
    let sum = |r: &[f64]| r.iter().map(|r| r * r).sum::<f64>();
    let mut at = start;
    let mut rest = residuals(&at);
    let mut squares = sum(&rest);
    if !squares.is_finite() {
        return None;
    }
    let mut damping = 1e-3;
    for _ in 0..STEPS {
        let slopes: Vec<Vec<f64>> = (0..P).map(|p| slope(&at, p, &rest, &residuals)).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut better = false;
        while !better && damping < 1e12 {
            let mut normal = [[0.0; P]; P];
            let mut toward = [0.0; P];
            for i in 0..P {
                for (j, cell) in normal[i].iter_mut().enumerate() {
                    *cell = dot(&slopes[i], &slopes[j]);
                }
                normal[i][i] += damping * normal[i][i].max(1e-12);
                toward[i] = -dot(&slopes[i], &rest);
            }
            let next = solve(normal, toward).map(|step| std::array::from_fn(|p| at[p] + step[p]));
            let tried = next.map(|next| (next, residuals(&next)));
            match tried.filter(|(_, rest)| sum(rest) < squares) {
                Some((next, left)) => {
                    let gain = squares - sum(&left);
                    let done = gain <= ENOUGH * squares;
                    (at, squares, rest) = (next, sum(&left), left);
                    damping = (damping / 10.0).max(1e-12);
                    if done {
                        return Some(Fit { at, squares });
                    }
                    better = true;
                }
                None => damping *= 10.0,
            }
        }
        if !better {
            break; // no direction leads down
        }
    }
    Some(Fit { at, squares })
}

fn slope<const P: usize>(
    at: &[f64; P],
    p: usize,
    rest: &[f64],
    residuals: &impl Fn(&[f64; P]) -> Vec<f64>,
) -> Vec<f64> {
    let step = at[p].abs().max(1e-3) * 1e-6;
    let mut beside = *at;
    beside[p] += step;
    residuals(&beside).iter().zip(rest).map(|(b, a)| if b.is_finite() { (b - a) / step } else { 0.0 }).collect()
}

/// Solves a small system by elimination; nothing where it has no one solution.
fn solve<const P: usize>(mut m: [[f64; P]; P], mut v: [f64; P]) -> Option<[f64; P]> {
    for i in 0..P {
        let pivot = (i..P).max_by(|a, b| m[*a][i].abs().total_cmp(&m[*b][i].abs()))?;
        if m[pivot][i].abs() < 1e-300 {
            return None;
        }
        m.swap(i, pivot);
        v.swap(i, pivot);
        for below in i + 1..P {
            let factor = m[below][i] / m[i][i];
            let row = m[i];
            m[below].iter_mut().zip(row).skip(i).for_each(|(of, above)| *of -= factor * above);
            v[below] -= factor * v[i];
        }
    }
    for i in (0..P).rev() {
        let known: f64 = (i + 1..P).map(|j| m[i][j] * v[j]).sum();
        v[i] = (v[i] - known) / m[i][i];
    }
    v.iter().all(|v| v.is_finite()).then_some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_found_from_afar() {
        // y = a · e^(−b x), and of Rosenbrock's valley the bottom.
        let data: Vec<(f64, f64)> = (0..12).map(|x| (f64::from(x), 5.0 * (-0.3 * f64::from(x)).exp())).collect();
        let of = |p: &[f64; 2]| data.iter().map(|(x, y)| p[0] * (-p[1] * x).exp() - y).collect();
        let fit = least_squares([1.0, 1.0], of).expect("finite");
        assert!((fit.at[0] - 5.0).abs() < 1e-6 && (fit.at[1] - 0.3).abs() < 1e-6, "{fit:?}");
        let valley = |p: &[f64; 2]| vec![10.0 * (p[1] - p[0] * p[0]), 1.0 - p[0]];
        let fit = least_squares([-1.2, 1.0], valley).expect("finite");
        assert!((fit.at[0] - 1.0).abs() < 1e-4 && (fit.at[1] - 1.0).abs() < 1e-4, "{fit:?}");
    }

    /// Against the closed formula of a line, from Anscombe's first set: 3.0001 and 0.5001.
    #[test]
    fn a_line_is_that_of_the_closed_formula() {
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let of = |p: &[f64; 2]| x.iter().zip(y).map(|(x, y)| p[0] + p[1] * x - y).collect();
        let fit = least_squares([0.0, 0.0], of).expect("finite");
        assert!((fit.at[0] - 3.000_090_9).abs() < 1e-5 && (fit.at[1] - 0.500_090_9).abs() < 1e-6, "{fit:?}");
    }

    #[test]
    fn what_is_not_a_number_is_no_place() {
        assert_eq!(least_squares([0.0], |_| vec![f64::NAN]), None);
        // To the left of 1 there is nothing: the way there is not taken.
        let of = |p: &[f64; 1]| vec![(p[0] - 1.0).sqrt()];
        assert!(least_squares([5.0], of).is_some_and(|fit| fit.at[0] >= 1.0 && fit.squares < 4.0));
    }
}
