package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrUntrusted wraps the reasons for which a program is not started.
var ErrUntrusted = errors.New("is not trusted")

// checkProgram refuses a program that somebody else could have replaced. The
// check and the start use the path one after the other, so nobody but root and
// this user may be able to change what it names, in between or before.
func checkProgram(path, checksum string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("program %s %w: the path must be absolute", path, ErrUntrusted)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("look at program: %w", err)
	}
	for _, p := range []string{path, real} {
		if err := checkParents(p); err != nil {
			return err
		}
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("look at program: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("program %s %w: it is not an executable file", path, ErrUntrusted)
	}
	if err := checkOwner(real, info, false); err != nil {
		return err
	}
	return checkSum(real, checksum)
}

// checkParents looks at all directories above a path.
func checkParents(path string) error {
	for dir := filepath.Dir(filepath.Clean(path)); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at program: %w", err)
		}
		if err := checkOwner(dir, info, true); err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// checkOwner accepts what belongs to root or to this user and can be written
// by nobody else. In a directory with the sticky bit, others cannot replace
// what is not theirs.
func checkOwner(path string, info fs.FileInfo, dir bool) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s %w: its owner cannot be found out", path, ErrUntrusted)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s %w: it belongs to user id %d, not to root or to the agent's user; chown it", path, ErrUntrusted, st.Uid)
	}
	sticky := dir && info.Mode()&fs.ModeSticky != 0
	if info.Mode().Perm()&0o022 != 0 && !sticky {
		return fmt.Errorf("%s %w: others can write to it (mode %#o); chmod go-w", path, ErrUntrusted, info.Mode().Perm())
	}
	return nil
}

// checkSum compares a file with its pinned SHA-256.
func checkSum(path, want string) error {
	if want == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("compare checksum: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("compare checksum: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("program %s %w: its SHA-256 is %s, the configuration says %s", path, ErrUntrusted, got, want)
	}
	return nil
}
