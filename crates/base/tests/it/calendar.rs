//! The mainland's calendar against the notices and the terms counted by others.

use base::calendar::{Calendar, Deadline, Kind};
use base::civil::CivilDate;

#[test]
fn every_term_of_the_field_ends_on_its_day() {
    let Some(rows) = crate::shared_rows("holidays/workday_deadlines.csv") else { return };
    let china = Calendar::mainland();
    assert!(rows.len() > 1_000);
    for row in &rows {
        let start: CivilDate = row[0].parse().unwrap();
        let date = row[2].parse().unwrap();
        let answer = china.working_days_after(start, row[1].parse().unwrap());
        assert_eq!(answer, Deadline { date, provisional: false }, "{row:?}");
        assert_eq!(china.is_working_day(start), &row[3] == "work", "{start}");
    }
}

#[test]
fn every_day_of_the_notices_is_in_the_table() {
    let Some(rows) = crate::shared_rows("holidays/exception_days.csv") else { return };
    let china = Calendar::mainland();
    for row in &rows {
        let date: CivilDate = row[0].parse().unwrap();
        let kind = china.exception(date).map(|it| it.0);
        assert_eq!(kind, Kind::from_code(&row[2]), "{date}");
    }
}
