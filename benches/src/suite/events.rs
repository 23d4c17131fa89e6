//! The events of the Yahoo streaming benchmark: as values, and as lines of JSON.

use arrayvec::ArrayString;

use crate::suite::generators::{Kind, id64, pick_hi, pick_lo, rnd, uuid};

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
const UUID_BYTES: usize = 36;

/// A line, in place: an allocation per line costs what parsing a tenth of it does.
pub(crate) type Line = ArrayString<LINE_BYTES>;

/// An identifier as text, in one line of the cache.
#[repr(align(64))]
struct Name(ArrayString<UUID_BYTES>);

impl Name {
    fn of(kind: Kind, index: u64) -> Self {
        Self(ArrayString::from_byte_string(&uuid(kind, index)).expect("hexadecimal digits"))
    }

    /// The text. That its length is known spares a call to copy it.
    #[inline(always)]
    fn text(&self) -> &str {
        &self.0[..UUID_BYTES]
    }
}

/// Makes the lines of JSON.
pub(crate) struct JsonLines {
    users: Vec<Name>,
    pages: Vec<Name>,
    ads: Vec<Name>,
    /// The numbers below 256 in decimal.
    decimals: [ArrayString<3>; 256],
}

impl JsonLines {
    pub(crate) fn about(ads: u64) -> Self {
        let all = |kind, count| (0..count).map(|index| Name::of(kind, index)).collect();
        let decimals = std::array::from_fn(|byte| ArrayString::from(&byte.to_string()).expect("three digits"));
        Self { users: all(Kind::User, USERS), pages: all(Kind::Page, PAGES), ads: all(Kind::Ad, ads), decimals }
    }

    /// Line `g`, without its end.
    #[inline(always)]
    pub(crate) fn line(&self, g: u64) -> Line {
        let event = Indices::of(g, self.ads.len() as u64);
        let mut line = Line::new();
        line.push_str("{\"user_id\":\"");
        line.push_str(self.users[event.user as usize].text());
        line.push_str("\",\"page_id\":\"");
        line.push_str(self.pages[event.page as usize].text());
        line.push_str("\",\"ad_id\":\"");
        line.push_str(self.ads[event.ad as usize].text());
        line.push_str("\",\"ad_type\":\"");
        line.push_str(AD_TYPES[usize::from(event.ad_type)]);
        line.push_str("\",\"event_type\":\"");
        line.push_str(EVENT_TYPES[usize::from(event.event_type)]);
        line.push_str("\",\"event_time\":\"");
        line.push_str(itoa::Buffer::new().format(event.millis));
        line.push_str("\",\"ip_address\":\"");
        let [a, b, c, d] = event.ip.to_be_bytes().map(|byte| &self.decimals[usize::from(byte)]);
        line.push_str(a);
        line.push_str(".");
        line.push_str(b);
        line.push_str(".");
        line.push_str(c);
        line.push_str(".");
        line.push_str(d);
        line.push_str("\"}");
        line
    }
}
