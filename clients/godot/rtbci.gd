# Decisions of rtbci in Godot, by OSC: put this on a node, run `rtbci osc --to 127.0.0.1:9000`, connect the signals.
# For Godot 4; in Godot 3 write `udp.listen` for `udp.bind`.
extends Node

signal decided(decision)        # a class, as text: act on it
signal predicted(probs)         # probabilities in the order of the classes, each hop
signal heard(address, values)   # every OSC message, these two included

var port = 9000
var udp = PacketPeerUDP.new()


func _ready():
	if udp.bind(port, "127.0.0.1") != OK:
		push_error("rtbci: UDP port %d is taken, by another receiver of OSC?" % port)


func _process(_delta):
	while udp.get_available_packet_count() > 0:
		_read(udp.get_packet())


func _exit_tree():
	udp.close()


func _read(packet):
	var at = [0]  # where in the packet; an array, so that functions can move it
	var address = _text(packet, at)
	var values = []
	for tag in _text(packet, at).substr(1):
		if tag == "s":
			values.append(_text(packet, at))
		elif tag == "i" or tag == "f":
			values.append(_number(packet, at, tag))
		else:
			return  # nothing that rtbci sends
	emit_signal("heard", address, values)
	if address == "/rtbci/decision" and values.size() > 0:
		emit_signal("decided", values[0])
	elif address == "/rtbci/probs":
		emit_signal("predicted", values)


func _text(packet, at):
	var buffer = StreamPeerBuffer.new()
	while at[0] < packet.size() and packet[at[0]] != 0:
		buffer.put_u8(packet[at[0]])
		at[0] += 1
	at[0] += 4 - at[0] % 4  # ends with one to four zeros
	buffer.seek(0)
	return buffer.get_utf8_string(buffer.get_size())


func _number(packet, at, tag):
	var buffer = StreamPeerBuffer.new()
	buffer.big_endian = true
	for i in range(4):
		buffer.put_u8(packet[at[0] + i] if at[0] + i < packet.size() else 0)
	buffer.seek(0)
	at[0] += 4
	return buffer.get_float() if tag == "f" else buffer.get_32()
