//! What events say: JSON as subscribers get it, different in each event. Text that repeats itself would flatter
//! whatever compresses it.

use fastrand::Rng;
use serde_json::{Value, json};

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Björn", "Chiara", "Dmitri", "Esra", "Femi", "Grace", "Hiroshi", "Inés", "Jun", "Kofi", "Léa", "Mateo",
    "Nour", "Olga", "Priya",
];
const LAST_NAMES: [&str; 16] = [
    "Abe",
    "Bianchi",
    "Costa",
    "Demir",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Khan",
    "Lindqvist",
    "Mensah",
    "Novák",
    "Okafor",
    "Petit",
];
const STREETS: [&str; 8] =
    ["Oak Street", "Rue de la Paix", "Hauptstraße", "Via Roma", "Mill Lane", "Storgatan", "Avenida Central", "Quay"];
const CITIES: [(&str, &str); 8] = [
    ("Lyon", "FR"),
    ("Porto", "PT"),
    ("Leeds", "GB"),
    ("Graz", "AT"),
    ("Turin", "IT"),
    ("Malmö", "SE"),
    ("Accra", "GH"),
    ("Osaka", "JP"),
];
const ARTICLES: [&str; 8] = [
    "Desk lamp, brass",
    "Notebook A5, ruled",
    "Tea, Darjeeling 250 g",
    "USB-C cable 2 m",
    "Wool blanket",
    "Bicycle bell",
    "Cast iron pan 26 cm",
    "Seeds, sweet pea",
];

/// An event's `data`: an order, as JSON text of about 1 KB.
pub(crate) fn data(random: &mut Rng) -> String {
    let (first, last) = (one_of(random, &FIRST_NAMES), one_of(random, &LAST_NAMES));
    let (city, country) = one_of(random, &CITIES);
    let items: Vec<_> = (0..random.u8(2..=4)).map(|_| item(random)).collect();
    let total: u64 = items.iter().filter_map(|item| item["amount"].as_u64()).sum();
    let order = json!({
        "order": {
            "id": id(random, "ord"),
            "number": format!("2026-{:06}", random.u32(..1_000_000)),
            "status": one_of(random, &["paid", "packed", "shipped", "refunded"]),
            "placed_at": format!("2026-{:02}-{:02}T{:02}:{:02}:{:02}Z", random.u8(1..=12), random.u8(1..=28),
                random.u8(..24), random.u8(..60), random.u8(..60)),
            "currency": one_of(random, &["EUR", "GBP", "USD", "JPY"]),
            "total": total,
            "items": items,
        },
        "customer": {
            "id": id(random, "cus"),
            "name": format!("{first} {last}"),
            "email": format!("{}.{}@example.com", first.to_lowercase(), random.u32(..100_000)),
            "phone": format!("+{}{:09}", random.u8(20..99), random.u32(..1_000_000_000)),
            "address": {
                "street": format!("{} {}", random.u16(1..400), one_of(random, &STREETS)),
                "postcode": format!("{:05}", random.u32(..100_000)),
                "city": city,
                "country": country,
            },
        },
        "payment": {
            "id": id(random, "pay"),
            "method": one_of(random, &["card", "transfer", "wallet"]),
            "last4": format!("{:04}", random.u16(..10_000)),
            "risk": f64::from(random.u16(..10_000)) / 10_000.0,
        },
        "previous_status": Value::Null,
        "test": false,
    });
    order.to_string()
}

fn item(random: &mut Rng) -> Value {
    let (quantity, price) = (random.u64(1..=5), random.u64(199..20_000));
    json!({
        "id": id(random, "itm"),
        "sku": format!("{:08}", random.u32(..100_000_000)),
        "name": one_of(random, &ARTICLES),
        "quantity": quantity,
        "unit_price": price,
        "amount": quantity * price,
    })
}

fn id(random: &mut Rng, prefix: &str) -> String {
    format!("{prefix}_{:024x}", random.u128(..) >> 32)
}

fn one_of<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}
