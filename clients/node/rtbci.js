// Listen to rtbci from Node.js: copy this file; `npm install zeromq` is all that it needs.
//
//   import { Listener } from './rtbci.js'
//
//   const listener = new Listener('tcp://127.0.0.1:5571')
//   for await (const { topic, message } of listener) {
//     console.log(message.decision ?? message.why, message.probs, listener.lost.prediction)
//   }
//
// A run on another computer is encrypted: give its public key, and a pair of your own from zeromq's `curveKeyPair()`, all as ZeroMQ's
// text (40 letters): new Listener(address, topics, { serverKey, publicKey, secretKey }).

import { Subscriber } from 'zeromq'

export const VERSION = 1
export const TOPICS = ['prediction', 'event', 'status', 'hello']
const MAX_PAYLOAD_BYTES = 65536

/**
 * Receives messages of an rtbci run, which may be started before or after this; an async iterable.
 *
 * `hello`: what the run says of itself, null until it came. `session`: id of the run. `lost`: messages that were sent and did not
 * arrive, by topic; starts anew with every session. `malformed`: what was no JSON object of schema version 1.
 */
export class Listener {
  constructor(address = 'tcp://127.0.0.1:5571', topics = ['prediction'], keys = null) {
    this.address = address
    this.topics = topics
    this.hello = null
    this.malformed = 0
    this._begin(null)
    this._socket = new Subscriber({
      linger: 0,
      maxMessageSize: MAX_PAYLOAD_BYTES,
      heartbeatInterval: 5000, // so that a cable pulled is noticed
      reconnectInterval: 100,
      reconnectMaxInterval: 2000,
      ...(keys && { curveServerKey: keys.serverKey, curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey })
    })
    this._socket.connect(address)
    // 'soon' wakes us 1.5 ms before a prediction: it finds nobody asleep
    this._socket.subscribe(...new Set([...topics, 'hello', ...(topics.includes('prediction') ? ['soon'] : [])]))
  }

  /** The newest message of a topic, without waiting; something must iterate at the same time (see `run`). */
  latest(topic = 'prediction') {
    return this._newest[topic] ?? null
  }

  /** Receive until `close`, calling `callbacks[topic](message)`. */
  async run(callbacks = {}) {
    for await (const { topic, message } of this) callbacks[topic]?.(message)
  }

  async *[Symbol.asyncIterator]() {
    try {
      for await (const frames of this._socket) {
        if (frames[0].toString('ascii') === 'soon') continue
        const received = this._read(frames)
        if (received !== null && this.topics.includes(received.topic)) yield received
      }
    } catch (error) {
      if (!this._socket.closed) throw error // closed while waiting: the way to end it
    }
  }

  close() {
    if (!this._socket.closed) this._socket.close()
  }

  _read(frames) {
    let topic, message
    try {
      if (frames.length !== 2) throw new Error(`${frames.length} frames`)
      topic = frames[0].toString('ascii')
      message = JSON.parse(frames[1].toString('utf8'))
      if (message.v !== VERSION) throw new Error(`schema version ${message.v}`)
      if (typeof message.session !== 'string' || !Number.isInteger(message.seq)) throw new Error('no session or seq')
    } catch {
      // Also MessagePack, which this file does not read: start rtbci with --format json.
      this.malformed += 1
      return null
    }
    if (message.session !== this.session) this._begin(message.session)
    const expected = this._nextSeq[topic] ?? message.seq
    this.lost[topic] = (this.lost[topic] ?? 0) + Math.max(0, message.seq - expected)
    this._nextSeq[topic] = Math.max(expected, message.seq + 1)
    this._newest[topic] = message
    if (topic === 'hello') this.hello = message
    return { topic, message }
  }

  _begin(session) {
    this.session = session
    this.hello = null
    this.lost = Object.fromEntries(TOPICS.map((topic) => [topic, 0]))
    this._nextSeq = {}
    this._newest = {}
  }
}
