//! What is imported from a file.

use store::testing::shared_dir;

use crate::run::{hutong, number, stderr};

#[test]
fn importing_twice_changes_nothing() {
    let Some(shared) = shared_dir() else {
        println!("skipped: no shared folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(hutong(folder.path(), &["migrate", "--data", "d"]).status.success());
    let keys = hutong(folder.path(), &["backup", "keys", "--key-store", "--data", "d"]);
    assert!(stderr(&keys).contains("HUTONG_PASSPHRASE"), "{}", stderr(&keys));
    for name in ["krems", "monaco", "andorra", "bayreuth_north"] {
        let file = shared.join(format!("data/poi/osm_{name}.geojson"));
        let import = ["import", "osm", file.to_str().unwrap(), "--data", "d", "--json"];
        let first = hutong(folder.path(), &import);
        assert!(first.status.success(), "{}", stderr(&first));
        assert!(number(&first, "added") > 0);
        let second = hutong(folder.path(), &import);
        assert_eq!((number(&second, "added"), number(&second, "changed")), (0, 0), "{name}");
        assert_eq!(number(&second, "unchanged"), number(&first, "added"), "{name}");
    }
    assert!(hutong(folder.path(), &["check", "--data", "d"]).status.success());
}
