//! Blobs on both engines.

use base::Timestamp;
use store::testing::each_engine;
use store::{BlobError, BlobId, Blobs, Db, Migration, Owner, StoreError, Target, args};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const PICTURE: &[Migration] = &[Migration {
    of: "test",
    number: 1,
    name: "0001_picture.sql",
    sql: "create table picture (id integer primary key, blob bytea);",
}];
const OWNERS: &[Owner] = &[Owner { table: "picture", column: "blob" }];

fn name_it(db: &Db, id: i64, blob: BlobId) {
    db.write(move |tx| -> Result<(), StoreError> {
        tx.exec("insert into picture (id, blob) values ($1, $2)", args![id, blob]).map(drop)
    })
    .unwrap();
}

/// Where the file of a blob lies, on the engine that has files.
fn file_of(db: &Db, id: BlobId) -> Option<std::path::PathBuf> {
    let Target::Sqlite { data } = db.target() else { return None };
    let name = id.to_string();
    Some(data.join("blobs").join(&name[..2]).join(&name[2..]))
}

#[test]
fn bytes_come_back_as_they_were_put() {
    each_engine(&[PICTURE], |db, _| {
        let large: Vec<u8> = (0..1_500_000_u32).map(|it| ((it * 31) >> 7) as u8).collect();
        for bytes in [b"".as_slice(), b"a small picture", &large] {
            let id = db.blobs().put(bytes, "image/png").unwrap();
            assert_eq!(id, BlobId::of(bytes));
            assert_eq!(db.blobs().put(bytes, "image/jpeg").unwrap(), id);
            let blob = db.blobs().get(id).unwrap();
            assert_eq!((blob.bytes.as_slice(), blob.media_type.as_str()), (bytes, "image/png"));
        }
        let other = BlobId::of(b"never put");
        assert!(matches!(db.blobs().get(other), Err(BlobError::Unknown(it)) if it == other));
        let long = vec![0; Blobs::SIZE_MAX + 1];
        assert!(matches!(db.blobs().put(&long, "x"), Err(BlobError::TooLarge { .. })));
    });
}

#[test]
fn damaged_bytes_are_not_given_out_and_putting_them_again_mends_them() {
    each_engine(&[PICTURE], |db, _| {
        let id = db.blobs().put(b"a small picture", "image/png").unwrap();
        match file_of(db, id) {
            Some(file) => std::fs::write(file, b"a small pictura").unwrap(),
            None => db
                .write(|tx| -> Result<(), StoreError> {
                    let sql = "update blob_piece set bytes = $1";
                    tx.exec(sql, args![b"x".to_vec()]).map(drop)
                })
                .unwrap(),
        }
        assert!(matches!(db.blobs().get(id), Err(BlobError::Damaged(_))));
        db.blobs().put(b"a small picture", "image/png").unwrap();
        assert_eq!(db.blobs().get(id).unwrap().bytes, b"a small picture");
        if let Some(file) = file_of(db, id) {
            std::fs::remove_file(file).unwrap();
            assert!(matches!(db.blobs().get(id), Err(BlobError::Damaged(_))));
        }
    });
}

#[test]
fn a_blob_that_nobody_names_goes_after_its_grace() {
    each_engine(&[PICTURE], |db, _| {
        let named = db.blobs().put(b"named", "image/png").unwrap();
        let idle = db.blobs().put(b"idle", "image/png").unwrap();
        let wanted = db.blobs().put(b"wanted again", "image/png").unwrap();
        name_it(db, 1, named);
        let sweep = |s: i64| db.blobs().sweep(NOW.plus_s(s), OWNERS, 3_600).unwrap();
        let first = sweep(0);
        assert_eq!((first.idle, first.removed), (2, 0));
        assert_eq!(sweep(3_599).removed, 0);
        db.blobs().put(b"wanted again", "image/png").unwrap();
        let later = sweep(3_600);
        assert_eq!((later.idle, later.removed), (1, 1));
        assert!(matches!(db.blobs().get(idle), Err(BlobError::Unknown(_))));
        if let Some(file) = file_of(db, idle) {
            assert!(!file.exists());
        }
        assert!(db.blobs().get(named).is_ok() && db.blobs().get(wanted).is_ok());
        name_it(db, 2, wanted);
        let last = sweep(100_000);
        assert_eq!((last.idle, last.removed), (0, 0));
        assert!(db.blobs().get(wanted).is_ok());
    });
}

#[test]
fn files_without_a_row_are_swept_and_named_ones_stay() {
    each_engine(&[PICTURE], |db, _| {
        let named = db.blobs().put(b"named", "image/png").unwrap();
        name_it(db, 1, named);
        let Some(file) = file_of(db, BlobId::of(b"orphan")) else { return };
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"orphan").unwrap();
        std::fs::write(file.with_file_name("part-0123"), b"half").unwrap();
        assert_eq!(db.blobs().sweep(NOW, OWNERS, 0).unwrap().orphans, 2);
        assert!(!file.exists());
        assert!(db.blobs().get(named).is_ok());
    });
}

#[test]
fn putting_and_sweeping_at_once_loses_nothing() {
    each_engine(&[PICTURE], |db, _| {
        std::thread::scope(|scope| {
            let putter = scope.spawn(|| {
                for number in 0..60_i64 {
                    // Every name is put twice, with a sweep in between as likely as not.
                    let bytes = (number / 2).to_be_bytes();
                    let id = db.blobs().put(&bytes, "x/y").unwrap();
                    name_it(db, number, id);
                }
            });
            let mut at = 0;
            while !putter.is_finished() {
                db.blobs().sweep(NOW.plus_s(at), OWNERS, 5).unwrap();
                at += 1;
            }
        });
        for number in 0..30_i64 {
            let bytes = number.to_be_bytes();
            assert_eq!(db.blobs().get(BlobId::of(&bytes)).unwrap().bytes, bytes);
        }
    });
}
