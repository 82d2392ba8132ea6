//! Follows the modules folder: whatever folder has its name, also when another is put in its place.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crossbeam_channel::Sender;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// Says that something changed in a folder, in its `lib/`, or about the folder itself.
pub struct Watch {
    watcher: RecommendedWatcher,
    dir: PathBuf,
    // The folder that is followed: its device and number.
    followed: Option<(u64, u64)>,
}

impl Watch {
    /// Follows a folder; one word is as good as many.
    pub fn of(dir: &Path, word: Sender<()>) -> notify::Result<Self> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Events name what changed as it is watched: the folder beneath its parent.
        let parent = std::fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
        let dir = dir.file_name().map_or_else(|| parent.clone(), |name| parent.join(name));
        let own = dir.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| event.paths.iter().any(|path| path.starts_with(&own))) {
                let _ = word.try_send(());
            }
        });
        let mut watch = Self { watcher: watcher?, dir, followed: None };
        watch.follow()?;
        // Without it another folder of that name is found when it is next looked for.
        let _ = watch.watcher.watch(&parent, RecursiveMode::NonRecursive);
        Ok(watch)
    }

    /// Turns to the folder that has the name now.
    pub fn renew(&mut self) {
        // While it is not there, or is no folder, there is nothing to follow.
        let _ = self.follow();
        let libraries = self.dir.join(como_scripting::LIBRARY_FOLDER);
        let _ = self.watcher.watch(&libraries, RecursiveMode::NonRecursive);
    }

    fn follow(&mut self) -> notify::Result<()> {
        let place = |found: Metadata| (found.dev(), found.ino());
        let now = std::fs::metadata(&self.dir).map(place).ok();
        if now.is_some() && now == self.followed {
            return Ok(());
        }
        if self.followed.take().is_some() {
            let _ = self.watcher.unwatch(&self.dir);
        }
        self.watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        self.followed = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_folder_that_takes_the_place_of_another_is_followed() {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("modules");
        std::fs::create_dir(&dir).expect("a folder");
        let (word, words) = crossbeam_channel::bounded(1);
        let mut watch = Watch::of(&dir, word).expect("it can be watched");
        let told = || words.recv_timeout(Duration::from_secs(60)).expect("a word");
        std::fs::rename(&dir, home.path().join("old")).expect("it moves");
        std::fs::create_dir(&dir).expect("a folder");
        told();
        watch.renew();
        // Words of what has been are not of what comes.
        while words.recv_timeout(Duration::from_millis(100)).is_ok() {}
        std::fs::write(dir.join("a.lua"), "value = { n = count() }").expect("a file");
        told();
    }
}
