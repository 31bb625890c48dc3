//! Promotions in words, Chinese and English: why one applied, why not, and how much is missing.

use base::{Currency, Money, Timestamp};

use super::Promotion;
use super::price::Verdict;
use super::rule::{Kind, PPM};
use crate::quote::Quote;

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

fn both(zh: impl Into<String>, en: impl Into<String>) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

fn sum(it: Money) -> Words {
    let text = it.decimal();
    let zh = if it.currency == Currency::CNY { format!("{text}元") } else { it.to_string() };
    both(zh, it.to_string())
}

/// A share off: 10 % is 9折 in Chinese.
fn share(off_ppm: i64) -> Words {
    let percent = |ppm: i64| {
        let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let tenths = |ppm: i64| {
        let text = format!("{}.{:05}", ppm / 100_000, ppm % 100_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    both(format!("{}折", tenths(PPM - off_ppm)), format!("{}% off", percent(off_ppm)))
}

/// What the promotion is: its name, or its rule in words.
pub fn rule_words(it: &Promotion) -> Words {
    if !it.name_zh.is_empty() && !it.name_en.is_empty() {
        return both(&it.name_zh, &it.name_en);
    }
    let money = |minor| sum(Money::new(minor, it.currency()));
    let what = match &it.kind {
        Kind::Percent { off_ppm, plus_minor: 0 } => share(*off_ppm),
        Kind::Percent { off_ppm, plus_minor } => {
            let (part, plus) = (share(*off_ppm), money(*plus_minor));
            both(format!("{}再减{}", part.zh, plus.zh), format!("{} and {} off", part.en, plus.en))
        }
        Kind::Amount { off_minor } => {
            let off = money(*off_minor);
            both(format!("减{}", off.zh), format!("{} off", off.en))
        }
        Kind::Nth { nth, off_ppm } if *off_ppm == PPM => {
            both(format!("每{nth}件免1件"), format!("every {nth} units, one is free"))
        }
        Kind::Nth { nth, off_ppm } => {
            let part = share(*off_ppm);
            both(
                format!("每{nth}件中1件{}", part.zh),
                format!("every {nth} units, one has {}", part.en),
            )
        }
        Kind::Tiers(tiers) => {
            let each = tiers.iter().map(|it| (it.from, money(it.price_minor)));
            let zh: Vec<_> =
                each.clone().map(|it| format!("{}件起每件{}", it.0, it.1.zh)).collect();
            let en: Vec<_> = each.map(|it| format!("from {} {} each", it.0, it.1.en)).collect();
            both(zh.join("，"), en.join(", "))
        }
        Kind::Bundle { price_minor, .. } => {
            let price = money(*price_minor);
            both(format!("套餐价{}", price.zh), format!("together for {}", price.en))
        }
        Kind::Member { price_minor } => {
            let price = money(*price_minor);
            both(format!("会员价{}", price.zh), format!("{} for members", price.en))
        }
    };
    if it.threshold.minor == 0 {
        return what;
    }
    let from = sum(it.threshold);
    both(format!("满{}{}", from.zh, what.zh), format!("{} from {} on", what.en, from.en))
}

/// Why a promotion applied or did not, and what is missing.
pub fn words(it: &Promotion, verdict: &Verdict) -> Words {
    let rule = rule_words(it);
    let why = match verdict {
        Verdict::Applied(off) => {
            let off = sum(*off);
            both(format!("已减{}", off.zh), format!("takes {} off", off.en))
        }
        Verdict::Missing(money) => {
            let money = sum(*money);
            both(format!("还差{}", money.zh), format!("{} more is needed", money.en))
        }
        Verdict::MissingUnits(units) => {
            both(format!("还差{units}件"), format!("{units} more to buy"))
        }
        Verdict::NotYet(at) => moment("开始时间", "it begins at", *at),
        Verdict::Over(at) => moment("已于此时结束：", "it ended at", *at),
        Verdict::Fulfilment => both("不适用于此取货方式", "not for this way of having it"),
        Verdict::Hours => both("不在优惠时段", "not at this hour"),
        Verdict::UsedUp => both("已领完", "all are taken"),
        Verdict::PersonUsedUp => both("您的次数已用完", "you have had yours"),
        Verdict::NotFirst => both("仅限首单", "only for a first order"),
        Verdict::NotMember => both("仅限会员", "only for members"),
        Verdict::NoCoupon => both("您没有可用的券", "you have no coupon of it"),
        Verdict::OtherGoods => both("所选商品不参加", "nothing in the basket takes part"),
        Verdict::Nothing => both("所选商品已不高于优惠价", "the basket costs no more without it"),
        Verdict::Beaten => both("不能同享，已选更优惠的", "it does not go with a better one"),
    };
    both(format!("{}：{}", rule.zh, why.zh), format!("{}: {}", rule.en, why.en))
}

fn moment(zh: &str, en: &str, at: Timestamp) -> Words {
    both(format!("{zh}{at}"), format!("{en} {at}"))
}

/// One line of a quote in words: what each promotion took off it, and for the others why they did
/// not. `promotions` are those that were asked for, in the order of the quote's verdicts.
pub fn line_words(quote: &Quote, promotions: &[Promotion], line: usize) -> Vec<Words> {
    let each = promotions.iter().zip(&quote.verdicts).enumerate();
    each.map(|(at, (promotion, verdict))| {
        let applied = quote.promotions.iter().find(|it| it.at == at);
        match applied.and_then(|it| it.shares.get(line)) {
            Some(share) if share.minor > 0 => words(promotion, &Verdict::Applied(*share)),
            Some(_) => words(promotion, &Verdict::OtherGoods),
            None => words(promotion, verdict),
        }
    })
    .collect()
}
