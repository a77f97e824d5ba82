package zkdcs

import "testing"

// Nobody may take a sync key that cannot be read for one that lists nobody.
func TestUnreadableSyncIsBroken(t *testing.T) {
	cases := map[string]struct {
		text   string
		broken bool
	}{
		"blank":     {"{}", false},
		"empty":     {"", false},
		"listed":    {`{"leader":"a","quorum":0,"sync_standby":"b"}`, false},
		"cut off":   {`{"leader":"a"`, true},
		"not UTF-8": {"{\"leader\":\"\xff\"}", true},
	}
	for name, c := range cases {
		v := parse(map[string]znode{keySync: {exists: true, data: []byte(c.text)}})
		if v.Sync.Broken != c.broken || (len(v.Findings) > 0) != c.broken {
			t.Errorf("%s: broken %v, findings %q", name, v.Sync.Broken, v.Findings)
		}
	}
}
