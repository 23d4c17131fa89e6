//! Decides what can be summed: numbers that notice when they overflow.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Data;

/// A number that can be summed. Implement it for a type of your own to sum that.
pub trait Number: Data + Clone + Serialize + DeserializeOwned {
    /// The sum of nothing.
    const ZERO: Self;

    /// Whether sums are the same in whatever order numbers are added.
    const EXACT: bool;

    /// The sum of two; `None` if the type cannot hold it.
    fn checked_sum(&self, other: &Self) -> Option<Self>;

    /// The nearest floating point number.
    fn to_f64(&self) -> f64;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Number for $integer {
            const ZERO: Self = 0;
            const EXACT: bool = true;

            #[inline]
            fn checked_sum(&self, other: &Self) -> Option<Self> {
                self.checked_add(*other)
            }

            #[inline]
            fn to_f64(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}

macro_rules! floats {
    ($($float:ty),*) => {$(
        impl Number for $float {
            const ZERO: Self = 0.0;
            const EXACT: bool = false;

            #[inline]
            fn checked_sum(&self, other: &Self) -> Option<Self> {
                Some(self + other)
            }

            #[inline]
            fn to_f64(&self) -> f64 {
                f64::from(*self)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
floats!(f32, f64);
