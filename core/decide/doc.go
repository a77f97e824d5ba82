// Package decide is the decision core: Decide looks at a [View] and returns a
// [Decision] with the name of the rule that matched and a sentence that says
// why.
//
// It is pure: no I/O, no clock, no goroutines, no logging. Everything a
// decision may depend on is in the View, the time too, so that each rule can
// be tested as a table, whole clusters can be simulated, and "what would
// happen if this node died" is the same function on a changed View.
//
// Rules are tried in the order of [Rules]; the first that matches decides.
// Safety stands above progress: rules that stop a node from writing come
// before rules that make it useful. The rule's name is the log value, the
// metric label and the row of the operator's table (pgregent rules).
//
// [PlanSlots] decides on replication slots in the same manner: a plan from a
// View, the slots that there are, and what the last plan remembered.
package decide
