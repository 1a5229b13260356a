#!/usr/bin/env node
// Print predictions and events until Ctrl-C: node listen.js [ADDRESS]
// Keys of an encrypted run: RTBCI_SERVER_KEY, RTBCI_PUBLIC_KEY, RTBCI_SECRET_KEY in the environment.
import { Listener } from './rtbci.js'

const address = process.argv[2] ?? 'tcp://127.0.0.1:5571'
const { RTBCI_SERVER_KEY: serverKey, RTBCI_PUBLIC_KEY: publicKey, RTBCI_SECRET_KEY: secretKey } = process.env
const listener = new Listener(address, ['prediction', 'event'], serverKey ? { serverKey, publicKey, secretKey } : null)
process.once('SIGINT', () => listener.close())
let silence
const listen = () => {
  clearTimeout(silence)
  const more = listener.session === null ? '' : 'more '
  const hint = `nothing ${more}from ${address} in 5 s; is \`rtbci run\` running, and does it publish there?`
  silence = setTimeout(() => console.error(hint), 5000)
}

listen()
for await (const { topic, message } of listener) {
  listen()
  if (topic === 'event') {
    console.log('event', message.kind, message.value)
    continue
  }
  const probs = message.classes.map((name, i) => (message.probs ? `${name}=${message.probs[i].toFixed(2)}` : '')).join(' ')
  console.log((message.decision ?? `(${message.why})`).padEnd(18), probs, ` lost ${listener.lost.prediction}`)
}
clearTimeout(silence)
