// Package zkwire is the net.Conn under the ZooKeeper client.
//
// It follows the frames in both directions, which gives what the client
// keeps to itself or lacks: the granted session timeout, the session id and
// password, resumption of a session by patching the connect request, a
// deadline for the handshake and for every answer, and protection from frames
// that would make the client panic or allocate without bound. A [Gate] is the
// client's dialer; it keeps one client to at most one session.
//
// It does not encode requests, retry or interpret znodes. All types are safe
// for concurrent use. The layout of the frames is that of ZooKeeper's
// zookeeper.jute, ConnectRequest, ConnectResponse and ReplyHeader.
package zkwire
