package lab

import (
	"errors"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// keys runs f on a connection of its own, with the cluster's base path.
func (l *Lab) keys(f func(conn *zk.Conn, base string)) {
	l.T.Helper()
	conn, _, err := zk.Connect(l.stores, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		l.T.Fatal(err)
	}
	defer conn.Close()
	f(conn, cluster.Path("service", l.scope))
}

// RemoveKeys deletes everything below the cluster's path in ZooKeeper, as an
// operator's mistake would.
func (l *Lab) RemoveKeys() {
	l.T.Helper()
	l.keys(func(conn *zk.Conn, base string) {
		var remove func(path string)
		remove = func(path string) {
			children, _, err := conn.Children(path)
			if err != nil {
				return
			}
			for _, c := range children {
				remove(path + "/" + c)
			}
			_ = conn.Delete(path, -1) // recreated meanwhile: that is the point
		}
		remove(base)
	})
}

// RemoveKey deletes one key.
func (l *Lab) RemoveKey(key string) {
	l.T.Helper()
	l.keys(func(conn *zk.Conn, base string) {
		if err := conn.Delete(base+"/"+key, -1); err != nil {
			l.T.Fatalf("delete %s: %v", key, err)
		}
	})
}

// WriteKey writes one key, whatever it holds.
func (l *Lab) WriteKey(key, value string) {
	l.T.Helper()
	l.keys(func(conn *zk.Conn, base string) {
		_, err := conn.Set(base+"/"+key, []byte(value), -1)
		if errors.Is(err, zk.ErrNoNode) {
			_, err = conn.Create(base+"/"+key, []byte(value), 0, zk.WorldACL(zk.PermAll))
		}
		if err != nil {
			l.T.Fatalf("write %s: %v", key, err)
		}
	})
}

// ReadKey reads one key, "" if it does not exist.
func (l *Lab) ReadKey(key string) string {
	l.T.Helper()
	var text string
	l.keys(func(conn *zk.Conn, base string) {
		data, _, err := conn.Get(base + "/" + key)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			l.T.Fatalf("read %s: %v", key, err)
		}
		text = string(data)
	})
	return text
}
