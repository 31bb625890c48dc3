//! Pictures drawn by code: pure functions from a seed and words to a small SVG, 4:3.
//!
//! Promise: the same words give the same bytes; a picture stays below 6 kB, needs nothing from
//! outside, and its text is as wide as its board whatever font the reader has. The colours are the
//! house's own.

mod motif;

use crate::category::{Category, Trade};
use crate::demo::{Business, Offer, OfferKind};
use crate::seed::Seed;

const INK: &str = "#23211E";
const BRICK: &str = "#5E5A55";
const LINE: &str = "#E3DDD3";
const PAPER: &str = "#FAF7F2";
const DOOR: &str = "#B23A2A";
const JADE: &str = "#1F6F5C";
const AMBER: &str = "#8A5A00";
const LANTERN: &str = "#F4C95D";
/// What is white in a drawing: darker than paper, so that it shows on paper.
const SAND: &str = "#E6D6B8";

/// Grounds of pictures: the house's colours, thinned with paper.
const GROUNDS: [&str; 5] = ["#F3E4DF", "#DDEBE5", "#FBEFD0", "#EAE6DF", "#F1E7D6"];

/// Main, second and accent colour of a drawing: first the warm ones, then the green ones.
const PALETTES: [[&str; 3]; 6] = [
    [DOOR, AMBER, LANTERN],
    [AMBER, DOOR, LANTERN],
    [DOOR, JADE, LANTERN],
    [JADE, AMBER, DOOR],
    [JADE, DOOR, LANTERN],
    [BRICK, JADE, DOOR],
];

/// The palettes in which a motif looks like itself: meat is warm, leaves are green, and nothing
/// that is eaten is grey.
fn palettes(name: &str, category: Category) -> &'static [[&'static str; 3]] {
    match name {
        "duck" | "meat" | "bread" | "skewers" | "bun" | "cake" | "hotpot" | "bone" | "fruit"
        | "melon" | "haw" | "nuts" | "root" => &PALETTES[..3],
        "greens" | "herbs" | "plant" => &PALETTES[3..5],
        _ => match category.trade() {
            Trade::Catering | Trade::Retail => &PALETTES[..5],
            _ => &PALETTES,
        },
    }
}

/// The picture of an offer of the lane.
pub fn offer(seed: u64, shop: &Business, offer: &Offer) -> String {
    let uses = offer.voucher.map_or(1, |it| it.uses);
    let words = (offer.title.zh.as_str(), offer.title.en.as_str());
    thing(seed, shop.category, offer.kind, words, uses)
}

/// The picture of anything that is sold: `titles` in Chinese (which chooses the motif; it may be
/// empty) and in English, `uses` of a voucher.
pub fn thing(
    seed: u64,
    category: Category,
    kind: OfferKind,
    titles: (&str, &str),
    uses: u32,
) -> String {
    let mut seed = Seed::new(seed, &format!("{category}/{}/{}", titles.0, titles.1));
    let ground = seed.pick(&GROUNDS).copied().unwrap_or(PAPER);
    let name = motif::of_offer(titles.0, category);
    let colours = seed.pick(palettes(name, category)).copied().unwrap_or(PALETTES[0]);
    let drawing = painted(motif::drawing(name), colours);
    let mut body = format!("<path d=\"M0 0h400v300H0z\" fill=\"{ground}\"/>");
    match kind {
        OfferKind::Voucher => body.push_str(&ticket(&drawing, colours, uses)),
        OfferKind::Goods | OfferKind::Dish | OfferKind::Appointment => {
            body.push_str(&table(&mut seed, kind));
            let turn = if seed.below(2) == 0 { "" } else { " scale(-1 1)" };
            let tilt = seed.between(-4, 4);
            let place = format!("translate(200 146){turn} rotate({tilt})");
            body.push_str(&format!("<g transform=\"{place}\">{drawing}</g>"));
            if kind == OfferKind::Appointment {
                body.push_str(&dial(&mut seed));
            }
        }
    }
    svg(titles.1, &body)
}

/// The door of a shop: wall, roof, name board, hanging sign, in its own colours.
pub fn door(seed: u64, shop: &Business) -> String {
    door_of(seed, shop.category, &shop.name.zh, &shop.name.en)
}

/// The door of any place: `name` stands on the board, `label` is read aloud.
pub fn door_of(seed: u64, category: Category, name: &str, label: &str) -> String {
    let mut seed = Seed::new(seed, name);
    let leaf = seed.pick(&[DOOR, DOOR, JADE, BRICK, AMBER]).copied().unwrap_or(DOOR);
    let mut body = format!("<path d=\"M0 0h400v300H0z\" fill=\"{LINE}\"/>");
    body.push_str(&bricks(&mut seed));
    body.push_str(&format!(
        "<path d=\"M0 0h400v26q-100 18-200 18T0 26z\" fill=\"{BRICK}\"/><path d=\"M0 26q100 18 200 18\
         t200-18\" stroke=\"{INK}\" stroke-width=\"6\" fill=\"none\" stroke-dasharray=\"14 5\"/>\
         <path d=\"M122 104h156v186H122z\" fill=\"{INK}\"/>\
         <path d=\"M130 112h68v178h-68zM202 112h68v178h-68z\" fill=\"{leaf}\"/>"
    ));
    body.push_str(&leaves(&mut seed));
    body.push_str(&format!("<path d=\"M100 288h200v12H100z\" fill=\"{BRICK}\"/>"));
    body.push_str(&board(name));
    body.push_str(&lanterns(&mut seed));
    let colours = [leaf, BRICK, LANTERN];
    let drawing = painted(motif::drawing(motif::of_category(category)), colours);
    body.push_str(&format!(
        "<path d=\"M300 112h84\" stroke=\"{INK}\" stroke-width=\"5\"/><path d=\"M344 112v14\" \
         stroke=\"{INK}\" stroke-width=\"3\"/><circle cx=\"344\" cy=\"166\" r=\"40\" \
         fill=\"{PAPER}\" stroke=\"{leaf}\" stroke-width=\"4\"/>\
         <g transform=\"translate(344 166) scale(.26)\">{drawing}</g>"
    ));
    svg(label, &body)
}

fn svg(label: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 400 300\" role=\"img\">\
         <title>{}</title>{body}</svg>\n",
        escaped(label)
    )
}

fn painted(drawing: &str, [main, second, accent]: [&str; 3]) -> String {
    let [light, dark] = [SAND, INK];
    let colours = [("$a", main), ("$b", second), ("$c", accent), ("$l", light), ("$k", dark)];
    colours.iter().fold(drawing.to_owned(), |it, (sign, colour)| it.replace(sign, colour))
}

/// What the thing stands on: a disc or a table, with a few dots in the air.
fn table(seed: &mut Seed, kind: OfferKind) -> String {
    let mut out = match seed.below(3) {
        0 => format!("<circle cx=\"200\" cy=\"150\" r=\"128\" fill=\"{PAPER}\"/>"),
        1 => format!("<path d=\"M0 224h400v76H0z\" fill=\"{LINE}\"/>"),
        _ => format!(
            "<circle cx=\"{}\" cy=\"120\" r=\"96\" fill=\"{PAPER}\"/>\
             <path d=\"M0 232q200-26 400 0v68H0z\" fill=\"{LINE}\"/>",
            seed.between(150, 250)
        ),
    };
    if kind != OfferKind::Appointment {
        for _ in 0..seed.between(2, 5) {
            let side = if seed.below(2) == 0 { 0 } else { 300 };
            let (x, y) = (side + seed.between(16, 80), seed.between(20, 200));
            let size = seed.between(3, 8);
            out.push_str(&format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{size}\" fill=\"{LANTERN}\"/>"
            ));
        }
    }
    out
}

/// A ticket with the motif on its stub and a dot for each use, at most twelve of them.
fn ticket(drawing: &str, [main, ..]: [&str; 3], uses: u32) -> String {
    let mut out = format!(
        "<path d=\"M44 60h312q12 0 12 12v50a28 28 0 0 0 0 56v50q0 12-12 12H44q-12 0-12-12v-50a28 28 \
         0 0 0 0-56V72q0-12 12-12z\" fill=\"{PAPER}\" stroke=\"{main}\" stroke-width=\"5\"/>\
         <path d=\"M232 70v160\" stroke=\"{main}\" stroke-width=\"4\" stroke-dasharray=\"9 9\"/>\
         <g transform=\"translate(140 150) scale(.72)\">{drawing}</g>"
    );
    let dots = u64::from(uses.clamp(1, 12));
    let (columns, size) = if dots == 1 { (1, 34) } else { (3, 12) };
    let rows = dots.div_ceil(columns);
    for at in 0..dots {
        let x = 294 + (at % columns) * 34 - (columns - 1) * 17;
        let y = 150 + (at / columns) * 36 - (rows - 1) * 18;
        out.push_str(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{size}\" fill=\"{main}\"/>"));
    }
    out
}

/// A small clock: this is booked by the hour.
fn dial(seed: &mut Seed) -> String {
    let turn = seed.below(12) * 30;
    format!(
        "<g transform=\"translate(338 236)\"><circle r=\"42\" fill=\"{PAPER}\" stroke=\"{INK}\" \
         stroke-width=\"6\"/><path d=\"M0-26V0\" stroke=\"{INK}\" stroke-width=\"6\"/><path \
         d=\"M0-18V0\" stroke=\"{DOOR}\" stroke-width=\"6\" transform=\"rotate({turn})\"/></g>"
    )
}

fn bricks(seed: &mut Seed) -> String {
    let mut path = String::new();
    for _ in 0..16 {
        let (column, row) = (seed.between(0, 9), seed.between(2, 13));
        let x = column * 44 - if row % 2 == 0 { 22 } else { 0 };
        path.push_str(&format!("M{x} {}h40v16h-40z", row * 20));
    }
    format!("<path d=\"{path}\" fill=\"#D3CCC0\"/>")
}

/// Studs, panes or panels on the two leaves, and the rings to knock with.
fn leaves(seed: &mut Seed) -> String {
    let pattern = match seed.below(3) {
        0 => {
            let mut dots = String::new();
            for (x, y) in [144, 164, 184, 216, 236, 256]
                .into_iter()
                .flat_map(|x| [130, 152, 174].into_iter().map(move |y| (x, y)))
            {
                dots.push_str(&format!(
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{LANTERN}\"/>"
                ));
            }
            dots
        }
        1 => format!(
            "<path d=\"M140 122h48v66h-48zM212 122h48v66h-48z\" fill=\"{LANTERN}\"/><path \
             d=\"M164 122v66M140 144h48M140 166h48M236 122v66M212 144h48M212 166h48\" \
             stroke=\"{INK}\" stroke-width=\"3\"/>"
        ),
        _ => format!(
            "<path d=\"M142 124h44v60h-44zM214 124h44v60h-44zM142 224h44v54h-44zM214 224h44v54h-44z\" \
             fill=\"none\" stroke=\"{LANTERN}\" stroke-width=\"3\"/>"
        ),
    };
    format!(
        "{pattern}<g fill=\"none\" stroke=\"{LANTERN}\" stroke-width=\"4\"><circle cx=\"186\" \
         cy=\"208\" r=\"8\"/><circle cx=\"214\" cy=\"208\" r=\"8\"/></g>"
    )
}

fn lanterns(seed: &mut Seed) -> String {
    let one = |x: i64| {
        format!(
            "<path d=\"M{x} 98v14\" stroke=\"{INK}\" stroke-width=\"3\"/><ellipse cx=\"{x}\" \
             cy=\"134\" rx=\"20\" ry=\"22\" fill=\"{DOOR}\"/><path d=\"M{} 114h20M{} 154h20M{x} 156v18\" \
             stroke=\"{LANTERN}\" stroke-width=\"5\"/>",
            x - 10,
            x - 10
        )
    };
    let left = one(seed.between(76, 92));
    if seed.below(2) == 0 { left } else { format!("{left}{}", one(32)) }
}

/// The widest line on the board, and its largest and smallest letters, in pixels.
const BOARD_WIDE: u64 = 212;
const LETTER_MAX: u64 = 32;
const LETTER_MIN: u64 = 13;

fn board(name: &str) -> String {
    let (text, size, wide) = fitted(name);
    format!(
        "<path d=\"M80 50h240v52H80z\" fill=\"{INK}\"/><path d=\"M85 55h230v42H85z\" fill=\"none\" \
         stroke=\"{LANTERN}\" stroke-width=\"2\"/><text x=\"200\" y=\"{}\" text-anchor=\"middle\" \
         font-family=\"Noto Sans SC,sans-serif\" font-weight=\"600\" font-size=\"{size}\" \
         textLength=\"{wide}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{LANTERN}\">{}</text>",
        76 + size * 36 / 100,
        escaped(&text)
    )
}

/// The text that fits the board, the height of its letters and the width that it is held to.
fn fitted(name: &str) -> (String, u64, u64) {
    // In hundredths of the letter's height; Chinese and the like are square.
    let width = |it: char| if u32::from(it) >= 0x2e80 { 100 } else { 58 };
    let total = |text: &str| text.chars().map(width).sum::<u64>().max(1);
    let size = (BOARD_WIDE * 100 / total(name)).min(LETTER_MAX);
    if size >= LETTER_MIN {
        return (name.to_owned(), size, total(name) * size / 100);
    }
    let mut text = String::new();
    let mut used = 100;
    for letter in name.chars() {
        used += width(letter);
        if used * LETTER_MIN / 100 > BOARD_WIDE {
            break;
        }
        text.push(letter);
    }
    let text = format!("{}…", text.trim_end());
    let wide = total(&text) * LETTER_MIN / 100;
    (text, LETTER_MIN, wide)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Lane;

    #[test]
    fn every_shop_and_offer_of_the_lane_has_a_small_picture_of_its_own() {
        let lane = Lane::demo().unwrap();
        let mut seen = HashSet::new();
        let mut bytes = 0;
        for shop in &lane.businesses {
            let pictures = shop.offers.iter().map(|it| offer(1, shop, it));
            for picture in pictures.chain([door(1, shop)]) {
                assert!(picture.len() < 6_000, "{} bytes: {picture}", picture.len());
                assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
                assert!(!picture.contains('$'), "{picture}");
                assert_eq!(picture.matches("<g").count(), picture.matches("</g>").count());
                bytes += picture.len();
                assert!(seen.insert(picture), "{}", shop.key);
            }
        }
        println!("{} pictures, {} bytes on average", seen.len(), bytes / seen.len());
        let shop = &lane.businesses[0];
        assert_eq!(door(1, shop), door(1, shop));
        assert_ne!(door(1, shop), door(3, shop));
    }

    #[test]
    fn no_name_is_wider_than_its_board() {
        let long = "Zum ehemaligen Königlich Bayerischen Hofbräuhaus am alten Platzl in München";
        for name in
            ["面", "老王面馆", "北京市东城区槐香胡同生活用品综合商店", "Café", long, "", "i"]
        {
            let (text, size, wide) = fitted(name);
            assert!(wide <= BOARD_WIDE, "{name}: {wide}");
            assert!((LETTER_MIN..=LETTER_MAX).contains(&size), "{name}: {size}");
            assert!(text.chars().count() <= name.chars().count(), "{name}: {text}");
        }
        assert!(fitted(long).0.ends_with('…'));
        let door = door_of(1, Category::Bar, "<b>&\"", "<b>&\"");
        assert!(door.contains("&lt;b&gt;&amp;&quot;") && !door.contains("<b>"));
    }
}
