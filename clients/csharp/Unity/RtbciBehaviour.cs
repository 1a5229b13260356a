// Put this on an object of your scene and give it an action for each decision. Needs Rtbci.cs and ZmtpTransport.cs.

using System;
using UnityEngine;
using UnityEngine.Events;

namespace Rtbci
{
    [Serializable]
    public sealed class DecisionEvent : UnityEvent<string> { }

    public sealed class RtbciBehaviour : MonoBehaviour
    {
        public string Address = "tcp://127.0.0.1:5571";
        public DecisionEvent OnDecision = new DecisionEvent();

        private Listener _listener;

        /// <summary>Probabilities of the newest prediction, for a feedback bar; null when there are none.</summary>
        public double[] Probs { get; private set; }

        private void OnEnable()
        {
            // With NetMQ: AsyncIO.ForceDotNet.Force(); and () => new NetMqTransport()
            _listener = new Listener(() => new ZmtpTransport(), Address, "prediction");
        }

        private void Update()
        {
            Message message;
            while (_listener.TryReceive(out message))
            {
                Probs = message.Probs;
                var decision = message.Text("decision");
                if (decision != null) OnDecision.Invoke(decision);
            }
        }

        private void OnDisable()
        {
            if (_listener.Lost() > 0) Debug.LogWarning("rtbci: " + _listener.Lost() + " predictions were lost");
            _listener.Dispose();
            // With NetMQ, or the editor hangs when it plays again: NetMQ.NetMQConfig.Cleanup(false);
        }
    }
}
