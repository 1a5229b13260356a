// Print predictions and events until Ctrl-C: mono Listen.exe [ADDRESS]

using System;
using System.Globalization;
using System.Linq;
using System.Threading;

public static class Listen
{
    public static void Main(string[] args)
    {
        CultureInfo.DefaultThreadCurrentCulture = Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
        var address = args.Length > 0 ? args[0] : "tcp://127.0.0.1:5571";
        var stopping = false;
        Console.CancelKeyPress += (sender, key) => key.Cancel = stopping = true;
        using (var listener = new Rtbci.Listener(() => new Rtbci.ZmtpTransport(), address, "prediction", "event"))
        {
            var isSilent = false;
            var more = "";
            var heard = DateTime.UtcNow;
            while (!stopping)
            {
                Rtbci.Message message;
                while (listener.TryReceive(out message))
                {
                    isSilent = false;
                    more = "more ";
                    heard = DateTime.UtcNow;
                    Console.WriteLine(Line(message, listener.Lost()));
                }
                if (!isSilent && DateTime.UtcNow - heard > TimeSpan.FromSeconds(5))
                {
                    isSilent = true;  // said once; a run that comes is heard
                    Console.Error.WriteLine(
                        "nothing " + more + "from " + address + " in 5 s; is `rtbci run` running, and does it publish there?");
                }
                Thread.Sleep(10);  // a game draws a frame here
            }
        }
    }

    private static string Line(Rtbci.Message message, long lost)
    {
        if (message.Topic == "event") return "event " + message.Text("kind") + " " + message.Text("value");
        var outcome = message.Text("decision") ?? "(" + message.Text("why") + ")";
        var probs = message.Probs;
        var names = message.Classes;
        var bars = probs == null ? "" : string.Join(" ", names.Select((name, i) => name + "=" + probs[i].ToString("F2")));
        return outcome.PadRight(18) + " " + bars + "  lost " + lost;
    }
}
