//! The events of the Yahoo streaming benchmark: as values, and as lines of JSON.

use crate::generators::{Kind, Uuid, id64, pick_hi, pick_lo, rnd, uuid};

const SEED: u64 = 1002;
const FIRST_MILLIS: u64 = 1_600_000_000_000;
const EVENTS_PER_MILLI: u64 = 20;
const USERS: u64 = 100;
const PAGES: u64 = 100;
/// The type of the events that are counted.
pub(crate) const VIEW: u8 = 0;
const EVENT_TYPES: [&str; 3] = ["view", "click", "purchase"];
const AD_TYPES: [&str; 5] = ["banner", "modal", "sponsored-search", "mail", "mobile"];

/// How many campaigns there are, and how many ads each has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaigns {
    pub(crate) count: u64,
    pub(crate) ads_each: u64,
}

impl Campaigns {
    pub(crate) fn ads(self) -> u64 {
        self.count * self.ads_each
    }

    /// The campaign of an ad.
    pub(crate) fn of_ad(self, ad: u64) -> u64 {
        ad / self.ads_each
    }
}

/// One event, by the indices of what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indices {
    pub(crate) user: u64,
    pub(crate) page: u64,
    pub(crate) ad: u64,
    pub(crate) ad_type: u8,
    pub(crate) event_type: u8,
    pub(crate) millis: u64,
    pub(crate) ip: u32,
}

impl Indices {
    /// Event `g`, about one of `ads` ads.
    #[inline(always)]
    pub(crate) fn of(g: u64, ads: u64) -> Self {
        let (a, b) = (rnd(SEED, 2 * g), rnd(SEED, 2 * g + 1));
        Self {
            user: pick_hi(b, USERS),
            page: pick_lo(b, PAGES),
            ad: pick_hi(a, ads),
            ad_type: ((((b >> 16) & 0xFFFF) * AD_TYPES.len() as u64) >> 16) as u8,
            event_type: pick_lo(a, EVENT_TYPES.len() as u64) as u8,
            millis: FIRST_MILLIS + g / EVENTS_PER_MILLI,
            ip: (b >> 12) as u32,
        }
    }
}

/// One event in binary form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) user: u64,
    pub(crate) page: u64,
    pub(crate) ad: u64,
    pub(crate) ad_type: u8,
    pub(crate) event_type: u8,
    pub(crate) millis: u64,
    pub(crate) ip: u32,
}

impl Event {
    /// Event `g`, about one of `ads` ads.
    #[inline(always)]
    pub(crate) fn of(g: u64, ads: u64) -> Self {
        let Indices { user, page, ad, ad_type, event_type, millis, ip } = Indices::of(g, ads);
        let (user, page, ad) = (id64(Kind::User, user), id64(Kind::Page, page), id64(Kind::Ad, ad));
        Self { user, page, ad, ad_type, event_type, millis, ip }
    }
}

/// The longest line has fewer bytes.
const LINE_BYTES: usize = 288;

/// A line, in place: an allocation per line costs what parsing a tenth of it does.
#[derive(Clone)]
pub(crate) struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    /// What is written so far.
    #[inline(always)]
    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Appends `bytes`. Inlined, for most lengths are known, and need no call to be copied.
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends a number below 256 in decimal.
    #[inline(always)]
    fn put_decimal(&mut self, byte: u8) {
        if byte >= 100 {
            self.put(&[b'0' + byte / 100]);
        }
        if byte >= 10 {
            self.put(&[b'0' + byte / 10 % 10]);
        }
        self.put(&[b'0' + byte % 10]);
    }
}

/// Makes the lines of JSON.
pub(crate) struct JsonLines {
    users: Vec<Uuid>,
    pages: Vec<Uuid>,
    ads: Vec<Uuid>,
}

/// The decimal digits of the time of an event.
fn decimal(mut millis: u64) -> [u8; 13] {
    let mut digits = [b'0'; 13];
    for digit in digits.iter_mut().rev() {
        *digit += (millis % 10) as u8;
        millis /= 10;
    }
    digits
}

impl JsonLines {
    pub(crate) fn about(ads: u64) -> Self {
        let all = |kind, count| (0..count).map(|index| uuid(kind, index)).collect();
        Self { users: all(Kind::User, USERS), pages: all(Kind::Page, PAGES), ads: all(Kind::Ad, ads) }
    }

    /// Line `g`, without its end.
    #[inline(always)]
    pub(crate) fn line(&self, g: u64) -> Line {
        let event = Indices::of(g, self.ads.len() as u64);
        let mut line = Line { bytes: [0; LINE_BYTES], length: 0 };
        line.put(b"{\"user_id\":\"");
        line.put(&self.users[event.user as usize]);
        line.put(b"\",\"page_id\":\"");
        line.put(&self.pages[event.page as usize]);
        line.put(b"\",\"ad_id\":\"");
        line.put(&self.ads[event.ad as usize]);
        line.put(b"\",\"ad_type\":\"");
        line.put(AD_TYPES[usize::from(event.ad_type)].as_bytes());
        line.put(b"\",\"event_type\":\"");
        line.put(EVENT_TYPES[usize::from(event.event_type)].as_bytes());
        line.put(b"\",\"event_time\":\"");
        line.put(&decimal(event.millis));
        line.put(b"\",\"ip_address\":\"");
        for (place, byte) in event.ip.to_be_bytes().into_iter().enumerate() {
            if place > 0 {
                line.put(b".");
            }
            line.put_decimal(byte);
        }
        line.put(b"\"}");
        line
    }
}
