// Listen to rtbci from C#, made for Unity: copy this file and a transport (ZmtpTransport.cs or NetMqTransport.cs). Needs Newtonsoft.Json
// (in Unity: the package com.unity.nuget.newtonsoft-json).
//
//   var listener = new Rtbci.Listener(() => new Rtbci.ZmtpTransport(), "tcp://127.0.0.1:5571", "prediction");
//   while (listener.TryReceive(out var message))            // once in a frame; never waits
//       if (message.Text("decision") != null) Jump(message.Text("decision"));
//   listener.Dispose();                                     // ends the thread

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Rtbci
{
    /// <summary>A subscriber's socket; made, used and disposed in the listener's thread alone.</summary>
    public interface ITransport : IDisposable
    {
        void Connect(string address, IEnumerable<string> topics);

        /// <summary>Wait for a message of two frames; false when none comes in time. Connects again by itself.</summary>
        bool TryReceive(TimeSpan timeout, out string topic, out byte[] payload);
    }

    /// <summary>One message: `Fields` has everything that docs/messages.md lists.</summary>
    public sealed class Message
    {
        public readonly string Topic;
        public readonly JObject Fields;

        public Message(string topic, JObject fields)
        {
            Topic = topic;
            Fields = fields;
        }

        public string Session { get { return (string)Fields["session"]; } }
        public long Seq { get { return (long)Fields["seq"]; } }

        /// <summary>A field that is text; null where it is null or missing, as `decision` when there is none.</summary>
        public string Text(string field)
        {
            return (string)Fields[field];
        }

        public double Number(string field)
        {
            return (double)Fields[field];
        }

        public string[] Classes { get { return Fields["classes"].Select(one => (string)one).ToArray(); } }

        /// <summary>Probabilities in the order of `Classes`; null when the window could not be decoded.</summary>
        public double[] Probs
        {
            get
            {
                var probs = Fields["probs"] as JArray;
                return probs == null ? null : probs.Select(one => (double)one).ToArray();
            }
        }
    }

    /// <summary>Receives in a thread of its own; everything here may be called from any one thread and never waits.</summary>
    public sealed class Listener : IDisposable
    {
        public const int Version = 1;
        private const int MaxWaiting = 1024;
        private const int MaxDepth = 64;
        private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(100);

        private readonly object _lock = new object();
        private readonly Func<ITransport> _open;
        private readonly string _address;
        private readonly HashSet<string> _topics;
        private readonly Queue<Message> _waiting = new Queue<Message>();
        private readonly Dictionary<string, long> _nextSeq = new Dictionary<string, long>();
        private readonly Dictionary<string, long> _lost = new Dictionary<string, long>();
        private readonly Dictionary<string, Message> _newest = new Dictionary<string, Message>();
        private readonly Thread _thread;
        private volatile bool _stopping;
        private Exception _failure;
        private string _session;
        private long _malformed, _dropped;

        /// <param name="open">Makes the transport, in the listener's thread.</param>
        /// <param name="address">Where rtbci publishes; it need not be there yet.</param>
        /// <param name="topics">Of prediction, event, status, hello; none: prediction.</param>
        public Listener(Func<ITransport> open, string address = "tcp://127.0.0.1:5571", params string[] topics)
        {
            _open = open;
            _address = address;
            _topics = new HashSet<string>(topics.Length > 0 ? topics : new[] { "prediction" });
            _thread = new Thread(Run) { Name = "rtbci-listener", IsBackground = true };
            _thread.Start();
        }

        /// <summary>The oldest message that waits; false when there is none. Throws what ended the thread.</summary>
        public bool TryReceive(out Message message)
        {
            lock (_lock)
            {
                message = _waiting.Count > 0 ? _waiting.Dequeue() : null;
                if (message == null && _failure != null)
                    throw new InvalidOperationException("rtbci: the listener has ended: " + _failure.Message, _failure);
                return message != null;
            }
        }

        /// <summary>The newest message of a topic, or null; leaves what waits for `TryReceive` alone.</summary>
        public Message Latest(string topic = "prediction")
        {
            lock (_lock)
            {
                Message message;
                return _newest.TryGetValue(topic, out message) ? message : null;
            }
        }

        /// <summary>Messages of a topic that were sent and did not arrive; starts anew with every session.</summary>
        public long Lost(string topic = "prediction")
        {
            lock (_lock)
            {
                long lost;
                return _lost.TryGetValue(topic, out lost) ? lost : 0;
            }
        }

        /// <summary>What was no JSON object of schema version 1; MessagePack, too (rtbci run --format json).</summary>
        public long Malformed { get { lock (_lock) return _malformed; } }

        /// <summary>Messages that came and were thrown away because nobody called `TryReceive`.</summary>
        public long Dropped { get { lock (_lock) return _dropped; } }

        /// <summary>What the run says of itself; null until it came.</summary>
        public Message Hello { get { return Latest("hello"); } }

        /// <summary>End the thread and close its socket; takes a tenth of a second at most.</summary>
        public void Dispose()
        {
            _stopping = true;
            if (Thread.CurrentThread != _thread) _thread.Join();
        }

        private void Run()
        {
            try
            {
                using (var transport = _open())
                {
                    // "soon" wakes us 1.5 ms before a prediction: it finds nobody asleep.
                    var more = _topics.Contains("prediction") ? new[] { "hello", "soon" } : new[] { "hello" };
                    transport.Connect(_address, _topics.Union(more));
                    string topic;
                    byte[] payload;
                    while (!_stopping)
                        if (transport.TryReceive(Wait, out topic, out payload)) Take(topic, payload);
                }
            }
            catch (Exception error)
            {
                lock (_lock) _failure = error;
            }
        }

        private void Take(string topic, byte[] payload)
        {
            if (topic == "soon") return;
            var fields = Parse(payload);
            lock (_lock)
            {
                if (fields == null)
                {
                    ++_malformed;
                    return;
                }
                var message = new Message(topic, fields);
                Count(topic, message.Session, message.Seq);
                _newest[topic] = message;
                if (!_topics.Contains(topic)) return;
                _waiting.Enqueue(message);
                if (_waiting.Count <= MaxWaiting) return;
                _waiting.Dequeue();
                ++_dropped;
            }
        }

        private static JObject Parse(byte[] payload)
        {
            try
            {
                // A marker's text may look like a date and must stay as it is.
                using (var reader = new JsonTextReader(new StringReader(Encoding.UTF8.GetString(payload)))
                       { DateParseHandling = DateParseHandling.None, MaxDepth = MaxDepth })
                {
                    var fields = JObject.Load(reader);
                    var isOurs = (long?)fields["v"] == Version && fields["session"].Type == JTokenType.String
                                 && fields["seq"].Type == JTokenType.Integer;
                    return isOurs ? fields : null;
                }
            }
            catch (Exception)  // Json.NET throws several kinds, all for the one reason that this is no message
            {
                return null;
            }
        }

        private void Count(string topic, string session, long seq)
        {
            if (session != _session)  // a new run: everything starts anew
            {
                _session = session;
                _nextSeq.Clear();
                _lost.Clear();
                _newest.Clear();
            }
            long expected, lost;
            if (!_nextSeq.TryGetValue(topic, out expected)) expected = seq;
            _lost.TryGetValue(topic, out lost);
            _lost[topic] = lost + Math.Max(0, seq - expected);
            _nextSeq[topic] = Math.Max(expected, seq + 1);
        }
    }
}
