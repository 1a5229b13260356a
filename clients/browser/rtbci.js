// Listen to rtbci from a web page, through the WebSocket of its live page (`rtbci run --monitor`): one file, no dependencies.
//
//   import { Listener } from './rtbci.js'
//
//   const listener = new Listener('ws://127.0.0.1:5580/messages', { topics: ['prediction', 'event'] })
//   listener.on('prediction', (message) => console.log(message.decision ?? message.why, message.probs))
//   listener.on('state', (state) => console.log(state))      // connecting, open, waiting, closed

export const VERSION = 1
export const TOPICS = ['prediction', 'event', 'status', 'hello']
const RECONNECT_MS = 250
const RECONNECT_MAX_MS = 4000
const UNKNOWN_TOPIC = 4004

/**
 * Receives messages of an rtbci run and connects again by itself when the run comes back.
 *
 * `hello`: what the run says of itself, null until it came. `session`: id of the run. `lost`: messages that were sent and did not
 * arrive, by topic; starts anew with every session. `malformed`: frames that were not of schema version 1. `state`: as the
 * event `state` says it. `latest(topic)`: for loops of `requestAnimationFrame`.
 */
export class Listener {
  constructor(url, { topics = ['prediction'], token = null } = {}) {
    const address = new URL(url, globalThis.location?.href)
    address.searchParams.set('topics', [...new Set([...topics, 'hello'])].join(','))
    this.url = address.href
    this._protocols = token === null ? [] : ['rtbci', `token.${token}`] // in headers, which end up in no log
    this.topics = topics
    this.malformed = 0
    this.state = 'waiting'
    this._callbacks = {}
    this._waitMs = RECONNECT_MS
    this._timer = null
    this._begin(null)
    this._connect()
  }

  /** Call a function with every message of a topic, or with every `state`; several may be given. Returns the listener. */
  on(what, callback) {
    ;(this._callbacks[what] ??= []).push(callback)
    return this
  }

  /** The newest message of a topic; null before the first. */
  latest(topic = 'prediction') {
    return this._newest[topic] ?? null
  }

  /** Hang up and do not come back. */
  close() {
    clearTimeout(this._timer)
    this._enter('closed')
    this._socket.close()
  }

  _connect() {
    this._enter('connecting')
    const socket = new WebSocket(this.url, this._protocols)
    this._socket = socket
    socket.onopen = () => {
      this._waitMs = RECONNECT_MS
      this._enter('open')
    }
    socket.onmessage = (frame) => this._read(frame.data)
    socket.onclose = ({ code, reason }) => {
      if (this.state === 'closed' || socket !== this._socket) return
      if (code === UNKNOWN_TOPIC) {
        console.error(`rtbci: ${reason}`) // it would be so again
        this._enter('closed')
        return
      }
      this._enter('waiting')
      this._timer = setTimeout(() => this._connect(), this._waitMs)
      this._waitMs = Math.min(2 * this._waitMs, RECONNECT_MAX_MS)
    }
  }

  _read(text) {
    let topic, message
    try {
      ;({ topic, message } = JSON.parse(text))
      if (typeof topic !== 'string' || message.v !== VERSION) throw new Error('not of this version')
      if (typeof message.session !== 'string' || !Number.isInteger(message.seq)) throw new Error('no session or seq')
    } catch {
      this.malformed += 1
      return
    }
    if (topic === 'dropped') return this._tell(topic, message) // of this connection, not of the run
    if (message.session !== this.session) this._begin(message.session)
    this._count(topic, message.seq)
    this._newest[topic] = message
    if (topic === 'hello') this.hello = message
    this._tell(topic, message)
  }

  // The first frame of a connection is the newest hello, perhaps one that was seen: it is not newer than what is expected.
  _count(topic, seq) {
    const expected = this._nextSeq[topic] ?? seq
    this.lost[topic] = (this.lost[topic] ?? 0) + Math.max(0, seq - expected)
    this._nextSeq[topic] = Math.max(expected, seq + 1)
  }

  _begin(session) {
    this.session = session
    this.hello = null
    this.lost = Object.fromEntries(TOPICS.map((topic) => [topic, 0]))
    this._nextSeq = {}
    this._newest = {}
  }

  _enter(state) {
    if (state === this.state) return
    this.state = state
    this._tell('state', state)
  }

  _tell(what, value) {
    for (const callback of this._callbacks[what] ?? []) {
      try {
        callback(value)
      } catch (error) {
        console.error(error) // one that fails must not keep the others from it
      }
    }
  }
}
