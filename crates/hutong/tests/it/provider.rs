//! What providers were asked in vain.

use crate::house::each_house;
use crate::run::{stderr, stdout};

#[test]
fn a_parked_request_is_shown_and_sent_again_once() {
    each_house(|house| {
        house.good(&["migrate"]);
        let parked = || stdout(&house.good(&["provider", "parked"]));
        assert_eq!(parked().trim(), "no request is parked");
        let db = house.db();
        db.write(|tx| {
            tx.exec(
                "insert into provider_request (idempotency_key, provider, payment, kind,
                     amount_minor, currency, state, attempts, due_at, asked_at)
                 values ('create:1', 'sandbox', 1, 'create', 500, 'CNY', 'parked', 20, 0, 0)",
                &[],
            )
            .map(drop)
        })
        .unwrap();
        db.close();
        drop(db);
        assert_eq!(parked().trim(), "create:1  create of 5.00 CNY at sandbox, 20 tries");
        let wrong = house.run(&["provider", "resume", "create:2"]);
        assert!(stderr(&wrong).contains("KEY: there is no request create:2"));
        house.good(&["provider", "resume", "create:1"]);
        assert_eq!(parked().trim(), "no request is parked");
        let again = house.run(&["provider", "resume", "create:1"]);
        assert!(stderr(&again).contains("is unknown; parked is needed"), "{}", stderr(&again));
    });
}
