//! The payloads of the events: orders of a shop. All are different, and they repeat values like real data, because
//! storage may compress them.

use fastrand::Rng;
use serde_json::{Value, json};

const FIRST_NAMES: [&str; 16] = [
    "Amara",
    "Benjamin",
    "Chiara",
    "Dmitri",
    "Elif",
    "Fatima",
    "Georg",
    "Hana",
    "Ingrid",
    "Joaquín",
    "Katarzyna",
    "Liam",
    "Mei",
    "Nadia",
    "Oluwaseun",
    "Priya",
];
const LAST_NAMES: [&str; 16] = [
    "Andersson",
    "Becker",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fernandes",
    "Gupta",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
];
const STREETS: [&str; 8] = [
    "Linden Avenue",
    "Rue de la Gare",
    "Hauptstraße",
    "Via Garibaldi",
    "Harbour Road",
    "Station Street",
    "Calle Mayor",
    "Church Lane",
];
const CITIES: [(&str, &str); 8] = [
    ("Rotterdam", "NL"),
    ("Lyon", "FR"),
    ("Leipzig", "DE"),
    ("Bologna", "IT"),
    ("Bristol", "GB"),
    ("Gdańsk", "PL"),
    ("Zaragoza", "ES"),
    ("Malmö", "SE"),
];
const GOODS: [&str; 12] = [
    "Desk lamp, brass",
    "Notebook A5, dotted",
    "Water bottle 0.75 l",
    "Wool blanket",
    "USB-C cable 2 m",
    "Coffee grinder",
    "Trail running socks",
    "Ceramic mug",
    "Bicycle bell",
    "Linen shirt",
    "Chef's knife 20 cm",
    "Houseplant pot",
];

/// The `data` of an event: a JSON object of about 1 KB.
pub(crate) fn data(random: &mut Rng) -> String {
    let lines: Vec<_> = (0..4).map(|_| line(random)).collect();
    let net: u64 = lines.iter().filter_map(|line| line["net_cents"].as_u64()).sum();
    let order = json!({
        "order_id": format!("ord_{}", token(random, 24)),
        "placed_at": time(random),
        "currency": "EUR",
        "net_cents": net,
        "tax_cents": net / 5,
        "lines": lines,
        "customer": customer(random),
        "payment": {
            "id": format!("pay_{}", token(random, 24)),
            "method": pick(random, &["card", "bank_transfer", "wallet"]),
            "last_four": format!("{:04}", random.u16(..10_000)),
            "risk_score": f64::from(random.u16(..1_000)) / 1_000.0,
        },
        "client": {
            "ip": format!("{}.{}.{}.{}", random.u8(1..), random.u8(..), random.u8(..), random.u8(..)),
            "session": format!("{:032x}", random.u128(..)),
        },
    });
    order.to_string()
}

fn line(random: &mut Rng) -> Value {
    let (quantity, unit) = (random.u64(1..5), random.u64(199..19_999));
    json!({
        "sku": format!("{}-{:05}", token(random, 3).to_uppercase(), random.u32(..100_000)),
        "title": pick(random, &GOODS),
        "quantity": quantity,
        "unit_cents": unit,
        "net_cents": quantity * unit,
    })
}

fn customer(random: &mut Rng) -> Value {
    let (first, last) = (pick(random, &FIRST_NAMES), pick(random, &LAST_NAMES));
    let (city, country) = pick(random, &CITIES);
    json!({
        "id": format!("cus_{}", token(random, 24)),
        "name": format!("{first} {last}"),
        "email": format!("{}.{}@example.com", last.to_lowercase(), token(random, 6)),
        "phone": format!("+{}{:09}", random.u8(30..50), random.u32(..1_000_000_000)),
        "address": {
            "street": format!("{} {}", pick(random, &STREETS), random.u8(1..)),
            "postal_code": format!("{:05}", random.u32(..100_000)),
            "city": city,
            "country": country,
        },
        "orders_before": random.u8(..60),
    })
}

fn time(random: &mut Rng) -> String {
    let (month, day, hour) = (random.u8(1..=12), random.u8(1..=28), random.u8(..24));
    let (minute, second, millisecond) = (random.u8(..60), random.u8(..60), random.u16(..1_000));
    format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn token(random: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}
