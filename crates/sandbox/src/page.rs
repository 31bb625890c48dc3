//! The pay page: plain HTML in Chinese and English that needs no JavaScript. It says what is paid to
//! whom, that no real money moves, and has two buttons.

use base::{Currency, Money};

use crate::payment::{Outcome, Payment};

const STYLE: &str = "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:26rem;margin:2rem auto;\
padding:0 1rem;color:#1c1917;background:#fafaf9}main{background:#fff;border:1px solid #d6d3d1;\
border-radius:.75rem;padding:1.25rem}h1{font-size:1.25rem;margin:0}.sum{font-size:2rem;\
margin:.5rem 0}dt{color:#57534e}dd{margin:0 0 .5rem;overflow-wrap:anywhere}button{font:inherit;\
width:100%;min-height:3rem;border-radius:.5rem;border:2px solid #166534;margin-top:.75rem;\
cursor:pointer}.yes{background:#166534;color:#fff}.no{background:#fff;color:#7f1d1d;\
border-color:#7f1d1d}.note{background:#fef9c3;padding:.5rem .75rem;border-radius:.5rem}";

/// The page of a payment: buttons while it is open, its outcome afterwards.
pub(crate) fn pay(payment: &Payment) -> String {
    let rest = match payment.outcome {
        Outcome::Open => buttons(payment),
        Outcome::Approved => result("已付款", "Paid", payment),
        Outcome::Declined => result("已拒绝付款", "Declined", payment),
        Outcome::Closed => {
            result("商户已取消这笔付款", "Closed by the shop: nothing was paid", payment)
        }
        Outcome::Expired => result("付款已过期", "Expired: nothing was paid", payment),
    };
    let body = format!(
        "<h1>付款 · <span lang=\"en\">Payment</span></h1>\
         <p class=\"sum\">{}</p>\
         <dl><dt>商户 · <span lang=\"en\">Merchant</span></dt><dd>{}</dd>\
         <dt>单号 · <span lang=\"en\">Reference</span></dt><dd>{}</dd>\
         <dt>有效期至 · <span lang=\"en\">Pay by</span></dt><dd>{}</dd></dl>{rest}",
        written(payment.amount),
        escaped(&payment.client),
        escaped(&payment.merchant_ref),
        payment.expires_at,
    );
    frame("付款 · Payment", &body)
}

/// The page for a payment that isn't here.
pub(crate) fn unknown() -> String {
    let body = "<h1>没有这笔付款 · <span lang=\"en\">There is no such payment</span></h1>\
                <p>请回到商户页面重新开始。<br><span lang=\"en\">Go back to the shop and start \
                again.</span></p>";
    frame("没有这笔付款 · No such payment", body)
}

/// The page for a form without an outcome.
pub(crate) fn no_outcome() -> String {
    let body = "<h1>请选择付款或拒绝 · <span lang=\"en\">Choose to pay or to decline</span></h1>\
                <p lang=\"en\">outcome must be approve or decline</p>";
    frame("请选择 · Choose", body)
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>\
         <p class=\"note\">沙箱支付：不会动用真实资金。<br><span lang=\"en\">Sandbox gateway: no real \
         money moves here.</span></p>{body}</main></body></html>\n"
    )
}

fn buttons(payment: &Payment) -> String {
    format!(
        "<form method=\"post\" action=\"/pay/{}\">\
         <button class=\"yes\" name=\"outcome\" value=\"approve\">同意付款 · <span \
         lang=\"en\">Approve</span></button>\
         <button class=\"no\" name=\"outcome\" value=\"decline\">拒绝 · <span \
         lang=\"en\">Decline</span></button></form>",
        payment.id
    )
}

fn result(zh: &str, en: &str, payment: &Payment) -> String {
    let back = payment.return_url.as_deref().map_or(String::new(), |url| {
        let url = escaped(&returned(url, payment));
        format!("<p><a href=\"{url}\">返回商户 · <span lang=\"en\">Back to the shop</span></a></p>")
    });
    format!("<p role=\"status\"><strong>{zh} · <span lang=\"en\">{en}</span></strong></p>{back}")
}

/// Where the browser goes back to. What it says there proves nothing: only a signed call-back or a
/// query does.
pub(crate) fn returned(url: &str, payment: &Payment) -> String {
    let (front, fragment) = match url.split_once('#') {
        Some((front, fragment)) => (front, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let join = if front.contains('?') { '&' } else { '?' };
    format!("{front}{join}payment={}{fragment}", payment.id)
}

/// The sum with as many decimals as the currency has (ISO 4217).
fn written(money: Money) -> String {
    let digits: usize = match money.currency {
        Currency::JPY => 0,
        Currency::KWD => 3,
        _ => 2,
    };
    let unit = 10_i64.pow(digits as u32);
    let whole = money.minor.div_euclid(unit);
    let part = money.minor.rem_euclid(unit);
    match digits {
        0 => format!("{} {whole}", money.currency),
        _ => format!("{} {whole}.{part:0digits$}", money.currency),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            it => out.push(it),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_the_decimals_of_its_currency() {
        assert_eq!(written(Money::new(1_205, Currency::CNY)), "CNY 12.05");
        assert_eq!(written(Money::new(1_205, Currency::JPY)), "JPY 1205");
        assert_eq!(written(Money::new(1_205, Currency::KWD)), "KWD 1.205");
    }

    #[test]
    fn what_a_merchant_wrote_cannot_become_markup() {
        assert_eq!(escaped("<b title=\"'&\">"), "&lt;b title=&quot;&#39;&amp;&quot;&gt;");
    }
}
