package postgres

import (
	"encoding/binary"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestSharedBirth(t *testing.T) {
	h := func(lsns ...cluster.LSN) (list cluster.History) {
		for i, lsn := range lsns {
			list = append(list, cluster.HistoryEntry{Timeline: cluster.Timeline(i + 1), LSN: lsn})
		}
		return list
	}
	for name, c := range map[string]struct {
		own  ownLog
		up   upstreamLog
		want birth
	}{
		"timeline 1":                   {ownLog{timeline: 1}, upstreamLog{timeline: 1}, birth{}},
		"only the upstream went on":    {ownLog{timeline: 1}, upstreamLog{timeline: 2, history: h(10)}, birth{}},
		"the same timeline":            {ownLog{timeline: 2, history: h(10)}, upstreamLog{timeline: 2, history: h(10)}, birth{1, 2, 10}},
		"the same, from another place": {ownLog{timeline: 2, history: h(11)}, upstreamLog{timeline: 2, history: h(10)}, birth{}},
		"the upstream went on":         {ownLog{timeline: 2, history: h(10)}, upstreamLog{timeline: 4, history: h(10, 20, 30)}, birth{1, 2, 10}},
		"this server went on":          {ownLog{timeline: 3, history: h(10, 20)}, upstreamLog{timeline: 2, history: h(10)}, birth{1, 2, 10}},
		"both went on, apart":          {ownLog{timeline: 3, history: h(10, 20)}, upstreamLog{timeline: 3, history: h(10, 21)}, birth{1, 2, 10}},
		"a standby without file":       {ownLog{timeline: 3}, upstreamLog{timeline: 4, history: h(10, 20, 30)}, birth{2, 3, 20}},
	} {
		got, found := sharedBirth(c.own, c.up)
		if got != c.want || found != (c.want != birth{}) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, found, c.want)
		}
	}
}

func TestSegmentHolder(t *testing.T) {
	const segment = 1 << 20
	// Timelines 2 and 3 begin in segment 2, 4 where segment 4 begins.
	list := births(cluster.History{{Timeline: 1, LSN: 2*segment + 8}, {Timeline: 2, LSN: 2*segment + 16}, {Timeline: 3, LSN: 4 * segment}}, 4)
	for at, want := range map[birth]cluster.Timeline{
		{timeline: 1, lsn: segment}:         1,
		{timeline: 1, lsn: 2 * segment}:     3,
		{timeline: 2, lsn: 2*segment + 8}:   3,
		{timeline: 3, lsn: 3 * segment}:     3,
		{timeline: 3, lsn: 4*segment - 8}:   3,
		{timeline: 4, lsn: 4*segment + 800}: 4,
	} {
		if got := segmentHolder(list, at.timeline, at.lsn, segment); got != want {
			t.Errorf("%s of timeline %d: got %d, want %d", at.lsn, at.timeline, got, want)
		}
	}
}

func TestFirstRecord(t *testing.T) {
	const segment = 1 << 20
	for name, c := range map[string]struct {
		lsn        cluster.LSN
		start, len int
		total      uint32
		want       int
	}{
		"within a page":               {8192 + 800, 0, birthSample, 42, 48},
		"behind a page header":        {8192, walShortPageHeader, birthSample, 42, walShortPageHeader + 48},
		"behind a segment's header":   {segment, walLongPageHeader, birthSample, 42, walLongPageHeader + 48},
		"over the end of a page":      {8192 - 8, 0, birthSample, 42, 48 + walShortPageHeader},
		"longer than the sample":      {800, 0, birthSample, 8000, birthSample},
		"at the end of a segment":     {segment - 8, 0, 8, 42, 8},
		"nothing there":               {800, 0, birthSample, 0, 0},
		"no record":                   {800, 0, birthSample, 23, 0},
		"a header alone":              {8192, walShortPageHeader, walShortPageHeader, 0, 0},
		"of impossible length":        {800, 0, birthSample, 1<<30 + 1, 0},
		"the end of the file, no log": {800, 0, 0, 0, 0},
	} {
		b := make([]byte, birthSample)
		binary.NativeEndian.PutUint32(b[c.start:], c.total)
		if got := firstRecord(b[:c.len], c.lsn, segment); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
