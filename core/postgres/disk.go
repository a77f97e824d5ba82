package postgres

import (
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// minRoom is what PostgreSQL needs to write on, in bytes: one segment of
	// its log, of the default size.
	minRoom = 16 << 20
	// diskLimit is how long a file system may take to answer; a hanging one
	// must not hold up whoever looks.
	diskLimit = 50 * time.Millisecond
)

// diskWatch asks the file systems, one question at a time.
type diskWatch struct {
	busy chan struct{} // holds a value while a question is under way
	last string        // guarded by Server.mu
}

// diskProblem says why PostgreSQL cannot write to its file systems, "" if
// nothing speaks against it. While they do not answer it is what was known
// last.
func (s *Server) diskProblem() string {
	select {
	case s.disk.busy <- struct{}{}:
	default:
		return s.lastDiskProblem()
	}
	dir := s.config().DataDir
	done := make(chan struct{})
	go func() {
		defer close(done)
		found := diskProblemIn(dir)
		s.mu.Lock()
		s.disk.last = found
		s.mu.Unlock()
		<-s.disk.busy
	}()
	select {
	case <-done:
	case <-time.After(diskLimit):
	}
	return s.lastDiskProblem()
}

func (s *Server) lastDiskProblem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disk.last
}

// withDisk adds to err what the file systems have to do with it.
func (s *Server) withDisk(err error) error {
	if disk := s.diskProblem(); err != nil && disk != "" {
		return fmt.Errorf("%s: %w", disk, err)
	}
	return err
}

// fileSystems are those of the data directory and of its log, which may be
// one. What is not there is left out.
func fileSystems(dataDir string) iter.Seq2[string, unix.Statfs_t] {
	return func(yield func(string, unix.Statfs_t) bool) {
		for _, dir := range []string{dataDir, filepath.Join(dataDir, "pg_wal")} {
			var fs unix.Statfs_t
			if unix.Statfs(dir, &fs) == nil && !yield(dir, fs) {
				return
			}
		}
	}
}

func diskProblemIn(dataDir string) string {
	for dir, fs := range fileSystems(dataDir) {
		room := roomOf(fs)
		switch {
		case fs.Flags&unix.ST_RDONLY != 0:
			return "the file system of " + dir + " is mounted read-only"
		case room < minRoom:
			return fmt.Sprintf("no room is left on the file system of %s (%d MB)", dir, room>>20)
		case fs.Files > 0 && fs.Ffree == 0:
			return "no inode is left on the file system of " + dir
		}
	}
	return ""
}

// roomOf is in bytes, without what is reserved for root.
func roomOf(fs unix.Statfs_t) uint64 { return fs.Bavail * uint64(fs.Bsize) }

// FullDirectory is the data directory, or its log directory, where PostgreSQL
// cannot write for want of room; "" if it can.
func FullDirectory(dataDir string) string {
	for dir, fs := range fileSystems(dataDir) {
		if roomOf(fs) < minRoom {
			return dir
		}
	}
	return ""
}
