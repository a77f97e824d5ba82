package record

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Story is one incident, told by all members whose notes are at hand.
type Story struct {
	ID    ID    `json:"id"`
	Trace ID    `json:"trace"`
	Kind  Kind  `json:"kind"`
	Cause Cause `json:"cause,omitempty"`
	Guess bool  `json:"cause_is_a_guess,omitempty"`
	// Reason is the sentence of whoever knows the cause best.
	Reason string    `json:"reason,omitempty"`
	Old    string    `json:"old_leader,omitempty"`
	New    string    `json:"new_leader,omitempty"`
	Begin  time.Time `json:"begin"`
	// End is when the new leader accepted writes; else of the last phase.
	End     time.Time `json:"end"`
	Seconds float64   `json:"duration_seconds"`
	// Longest is the phase that took longest of the time until End.
	Longest string   `json:"longest_phase,omitempty"`
	Members []string `json:"members"`
	// Gaps are stretches of time about which nobody has noted anything, and
	// members whose notes are missing.
	Gaps   []Gap   `json:"gaps,omitempty"`
	Phases []Entry `json:"phases"`
}

// Gap is what is not known.
type Gap struct {
	Begin   time.Time `json:"begin,omitzero"`
	End     time.Time `json:"end,omitzero"`
	Seconds float64   `json:"duration_seconds,omitempty"`
	Why     string    `json:"why"`
}

// smallGap is what is not worth a word: between two phases of one member
// there is always a moment.
const smallGap = 5 * time.Millisecond

// Merge makes stories of entries of any members in any order, newest first.
// An entry may be there more than once.
func Merge(entries []Entry) []Story {
	last := map[SpanID]Entry{}
	for _, e := range entries {
		if old, ok := last[e.Span]; !ok || old.End.IsZero() || !e.End.IsZero() && !e.End.Before(old.End) {
			last[e.Span] = e
		}
	}
	byID := map[ID][]Entry{}
	for _, e := range last {
		byID[e.ID] = append(byID[e.ID], e)
	}
	stories := make([]Story, 0, len(byID))
	for _, list := range byID {
		stories = append(stories, tell(list))
	}
	slices.SortFunc(stories, func(a, b Story) int {
		return cmp.Or(b.Begin.Compare(a.Begin), slices.Compare(b.ID[:], a.ID[:]))
	})
	return stories
}

// tell makes a story of its entries, of which there is one at least.
func tell(list []Entry) Story {
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(a.Begin.Compare(b.Begin), cmp.Compare(a.Member, b.Member), slices.Compare(a.Span[:], b.Span[:]))
	})
	s := Story{ID: list[0].ID, Phases: list}
	for _, whole := range []bool{false, true} { // the parts tell more than the whole
		for _, e := range list {
			if (e.Phase == Change) == whole {
				s.learn(e)
			}
		}
	}
	if s.Kind == Failover && s.Old == s.New && s.New != "" {
		s.Kind = Reclaim
	}
	slices.Sort(s.Members)
	s.limits()
	s.Longest = s.longest()
	s.Gaps = s.gaps()
	return s
}

// learn takes over what an entry says of the whole.
func (s *Story) learn(e Entry) {
	if !slices.Contains(s.Members, e.Member) {
		s.Members = append(s.Members, e.Member)
	}
	s.Trace = e.Trace
	s.Kind, s.Old, s.New = cmp.Or(s.Kind, e.Kind), cmp.Or(s.Old, e.Old), cmp.Or(s.New, e.New)
	better := s.Cause == "" || s.Guess && !e.Guess || s.Guess == e.Guess && rank(e.Cause) < rank(s.Cause)
	if e.Cause != "" && better {
		s.Cause, s.Guess, s.Reason = e.Cause, e.Guess, cmp.Or(e.Reason, s.Reason)
	}
}

// rank orders causes that members know, the one that explains the others
// first: an operator's wish, then what PostgreSQL died of, then what befell
// the agent, then what it saw.
func rank(c Cause) int {
	order := []Cause{
		CauseSwitchover, CauseScheduled, CauseManual, CauseStopped, CauseDiskFull, CauseCrashLoop, CauseAgentFrozen, CauseAgentKilled,
		CauseCrash, CauseStartFailed, CauseNetworkCut, CauseStoreCut, CauseNodeLost, CauseLag,
	}
	if i := slices.Index(order, c); i >= 0 {
		return i
	}
	return len(order)
}

// limits finds begin and end. What comes after the first write, as replicas
// that follow, is told but does not count.
func (s *Story) limits() {
	known := slices.ContainsFunc(s.Phases, func(e Entry) bool { return e.Phase == Detect && !e.Guess })
	for _, e := range s.Phases {
		// Who only saw the effects knows no better than who was there.
		guessed := known && e.Guess && (e.Phase == Detect || e.Phase == Change)
		if s.Begin.IsZero() && !guessed {
			s.Begin = e.Begin
		}
		if e.End.After(s.End) {
			s.End = e.End
		}
	}
	for _, e := range s.Phases {
		if e.Phase == Change && !e.End.IsZero() {
			s.End = e.End
		}
	}
	if s.End.IsZero() {
		s.End = s.Begin
	}
	s.Seconds = s.End.Sub(s.Begin).Seconds()
}

// inside is the part of e between begin and end of the story.
func (s *Story) inside(e Entry) (begin, end time.Time) {
	begin, end = e.Begin, e.End
	if end.IsZero() || end.After(s.End) {
		end = s.End
	}
	if begin.Before(s.Begin) {
		begin = s.Begin
	}
	return begin, end
}

func (s *Story) longest() string {
	var most time.Duration
	name := ""
	for _, e := range s.Phases {
		begin, end := s.inside(e)
		// Losers wait as long as the winner works: theirs is no phase of the way.
		onWay := e.Phase != Change && e.Phase != Follow && (e.Phase != Race || e.Member == s.New)
		if took := end.Sub(begin); onWay && took > most {
			most, name = took, string(e.Phase)+" on "+e.Member
		}
	}
	return name
}

// gaps finds the time until End that no phase covers, and phases without end.
func (s *Story) gaps() []Gap {
	var out []Gap
	covered, before := s.Begin, ""
	for _, e := range s.Phases {
		if e.Phase == Change || !e.Begin.Before(s.End) {
			continue
		}
		if e.Begin.Sub(covered) > smallGap {
			out = append(out, gap(covered, e.Begin, fmt.Sprintf("nobody has noted anything between %s and %s on %s", before, e.Phase, e.Member)))
		}
		if _, end := s.inside(e); end.After(covered) {
			covered, before = end, string(e.Phase)+" on "+e.Member
		}
	}
	if s.End.Sub(covered) > smallGap {
		out = append(out, gap(covered, s.End, "nobody has noted anything after "+before))
	}
	for _, e := range s.Phases {
		if e.End.IsZero() {
			out = append(out, Gap{Begin: e.Begin, Why: fmt.Sprintf("%s has not told the end of %s: it goes on, or the agent ended before", e.Member, e.Phase)})
		}
	}
	return out
}

func gap(begin, end time.Time, why string) Gap {
	return Gap{Begin: begin, End: end, Seconds: end.Sub(begin).Seconds(), Why: why}
}

// Missing notes that a member's notes could not be had.
func (s *Story) Missing(member, why string) {
	s.Gaps = append(s.Gaps, Gap{Why: "the notes of " + member + " are missing: " + why})
}
