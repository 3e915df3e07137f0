#!/usr/bin/env python3
"""Side by side with rsigma on the same rules and events, one core, net of loading the rules.

  compare.py --rules SIGMAHQ --events EVENTS.ndjson[.gz] [--ours wardwatchctl] [--peer rsigma] [--events-per-lane N]

EVENTS are flat Windows events (../shared/conformance/sigma/cases/benign has some). Lanes: sysmon (those of Sysmon),
windows (all channels), raw (the same as one rendered text each), linux (auditd, processes, sshd) and web (web server,
proxy, DNS), made here from a fixed seed. Every event says its log source in log.product, log.service, log.category.
Each lane runs with all of its events and with none; the difference is the time of evaluation. Times are processor
seconds of the child (user and system, all of its threads), so that what else the machine does hardly counts. Matches
are compared by their number for each rule (the peer names no event). Without the peer the script says so and prints our numbers alone."""
import argparse, collections, gzip, json, os, random, shutil, subprocess, sys, tempfile, time


SYSMON = {1: 'process_creation', 2: 'file_change', 3: 'network_connection', 5: 'process_termination', 6: 'driver_load', 7: 'image_load', 8: 'create_remote_thread', 9: 'raw_access_thread',
          10: 'process_access', 11: 'file_event', 12: 'registry_event', 13: 'registry_set', 14: 'registry_rename', 15: 'create_stream_hash', 17: 'pipe_created', 18: 'pipe_created',
          19: 'wmi_event', 20: 'wmi_event', 21: 'wmi_event', 22: 'dns_query', 23: 'file_delete', 25: 'process_tampering', 26: 'file_delete_detected'}
SERVICES = {'Security': 'security', 'System': 'system', 'Application': 'application', 'Microsoft-Windows-PowerShell/Operational': 'powershell', 'Windows PowerShell': 'powershell-classic',
            'Microsoft-Windows-Sysmon/Operational': 'sysmon', 'Microsoft-Windows-TaskScheduler/Operational': 'taskscheduler', 'Microsoft-Windows-WMI-Activity/Operational': 'wmi',
            'Microsoft-Windows-Windows Defender/Operational': 'windefend', 'Microsoft-Windows-Bits-Client/Operational': 'bits-client', 'Microsoft-Windows-NTLM/Operational': 'ntlm'}


def declared(event, **source):
    """The event with its log source said in it, where both engines look for it."""
    return dict(event, event_type='log', log={k: v for k, v in source.items() if v})


def windows_source(e):
    channel, event_id = e.get('Channel', ''), e.get('EventID')
    service = SERVICES.get(channel, '')
    category = SYSMON.get(int(event_id), '') if service == 'sysmon' and str(event_id).isdigit() else ''
    return declared(e, product='windows', service=service, category=category)


def windows_lanes(path):
    opener = gzip.open if path.endswith('.gz') else open
    with opener(path, 'rt', encoding='utf-8') as f: events = [json.loads(line) for line in f]
    sysmon = [e for e in events if e.get('Channel') == 'Microsoft-Windows-Sysmon/Operational']
    # What a shipper without a parser sends: the record as one rendered text.
    raw = [{'@timestamp': e.get('TimeCreated_SystemTime', ''), 'hostname': e.get('Computer', ''), 'message': '\r\n'.join('%s: %s' % kv for kv in e.items())} for e in events]
    return {'sysmon': [windows_source(e) for e in sysmon], 'windows': [windows_source(e) for e in events], 'raw': [declared(e, product='windows') for e in raw]}


def linux_lane(rng):
    tools = ['/usr/bin/ls', '/usr/bin/cat', '/usr/sbin/sshd', '/usr/bin/python3', '/usr/bin/curl', '/usr/bin/tar', '/bin/bash', '/usr/bin/crontab']
    args = ['-la /home', '/etc/passwd', '-c "import socket"', 'http://10.0.0.5/x.sh -o /tmp/x.sh', '-czf /tmp/a.tgz /var/log', '-i', '-l', '--version']
    out = []
    for i in range(4000):
        t = '2026-03-02T%02d:%02d:%02d.000Z' % (i // 3600 % 24, i // 60 % 60, i % 60)
        exe, arg, user = rng.choice(tools), rng.choice(args), rng.choice(['root', 'www-data', 'alice', 'bob'])
        kind = rng.random()
        if kind < 0.4: out.append(declared({'@timestamp': t, 'type': 'SYSCALL', 'syscall': 'execve', 'exe': exe, 'comm': os.path.basename(exe), 'auid': 1000, 'uid': 0, 'key': 'exec', 'success': 'yes', 'pid': rng.randrange(65536)}, product='linux', service='auditd'))
        elif kind < 0.6: out.append(declared({'@timestamp': t, 'type': 'EXECVE', 'a0': os.path.basename(exe), 'a1': arg.split(' ')[0], 'a2': arg.split(' ')[-1], 'argc': 3}, product='linux', service='auditd'))
        elif kind < 0.8: out.append(declared({'@timestamp': t, 'Image': exe, 'CommandLine': exe + ' ' + arg, 'ParentImage': rng.choice(tools), 'User': user, 'ProcessId': rng.randrange(65536)}, product='linux', category='process_creation'))
        else: out.append(declared({'@timestamp': t, 'hostname': 'srv%d' % rng.randrange(20), 'program': 'sshd', 'pid': rng.randrange(65536), 'message': rng.choice(['Failed password for invalid user %s from 10.1.2.%d port 4%d ssh2', 'Accepted publickey for %s from 10.1.2.%d port 4%d ssh2']) % (user, rng.randrange(255), rng.randrange(9999))}, product='linux', service='sshd'))
    return out


def web_lane(rng):
    paths = ['/', '/index.html', '/api/v1/items', '/login', '/static/app.js', '/wp-login.php', '/cgi-bin/test.cgi', '/../../etc/passwd', '/search?q=select+1', '/.git/config']
    agents = ['Mozilla/5.0 (Windows NT 10.0; Win64; x64)', 'curl/7.88.1', 'python-requests/2.28', 'sqlmap/1.7', 'Googlebot/2.1']
    names = ['www.example.org', 'updates.example.com', 'api.telegram.org', 'a1b2c3d4e5f6.example.net', 'pastebin.com', 'wpad.trust.example', 'mail.trust.example']
    out = []
    for i in range(4000):
        t = '2026-03-02T%02d:%02d:%02d.000Z' % (i // 3600 % 24, i // 60 % 60, i % 60)
        if i % 3 == 0:
            out.append(declared({'@timestamp': t, 'query': rng.choice(names), 'record_type': rng.choice(['A', 'AAAA', 'TXT']), 'answer': '10.1.2.%d' % rng.randrange(255), 'src_ip': '10.4.%d.%d' % (rng.randrange(255), rng.randrange(255))}, category='dns'))
            continue
        p = rng.choice(paths)
        out.append(declared({'@timestamp': t, 'c-ip': '10.1.%d.%d' % (rng.randrange(255), rng.randrange(255)), 'cs-method': rng.choice(['GET', 'POST']), 'cs-uri-stem': p.split('?')[0], 'cs-uri-query': p.split('?')[1] if '?' in p else '', 'cs-uri': p, 'c-uri': p, 'cs-host': 'www.example.org', 'cs-user-agent': rng.choice(agents), 'c-useragent': rng.choice(agents), 'sc-status': rng.choice([200, 200, 301, 404, 500]), 'sc-bytes': rng.randrange(100000)}, category='webserver' if i % 2 else 'proxy'))
    return out


def run(command, events):
    """(processor seconds, peak resident MiB, exit status, output, errors)"""
    with open(events, 'rb') as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        p = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err)
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0); err.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, p.returncode, out.read(), err.read()


def matches(text):
    out = collections.Counter()
    for line in text.splitlines():
        try: o = json.loads(line)
        except ValueError: continue
        rule = o.get('rule', o.get('header', o))
        out[(rule.get('id') if isinstance(rule, dict) else None) or o.get('rule_id') or o.get('id')] += 1
    return out


def peer_command(peer, rules):
    if not shutil.which(peer): return None
    for words in (['engine', 'eval'], ['eval']):
        p = subprocess.run([peer] + words + ['--help'], capture_output=True, text=True)
        if p.returncode == 0:
            extra = ['--logsource-routing'] if '--logsource-routing' in p.stdout else []
            if '--logsource-field-map' in p.stdout: extra += ['--logsource-field-map', 'product=log.product,service=log.service,category=log.category']
            if '--no-stats' in p.stdout: extra += ['--no-stats']
            extra += ['--input-format', 'json'] if '--input-format' in p.stdout else []
            return [peer] + words + ['--rules', rules] + extra
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--rules', required=True); ap.add_argument('--events', required=True)
    ap.add_argument('--ours', default='wardwatchctl'); ap.add_argument('--peer', default='rsigma')
    ap.add_argument('--events-per-lane', type=int, default=50000); ap.add_argument('--repeat', type=int, default=3)
    ap.add_argument('--lane', action='append')
    a = ap.parse_args()
    rng = random.Random(7)
    lanes = windows_lanes(a.events); lanes['linux'] = linux_lane(rng); lanes['web'] = web_lane(rng)
    engines = {'ours': [a.ours, 'sigma', 'eval', '--rules', a.rules, '--events', '-']}
    peer = peer_command(a.peer, a.rules)
    if peer: engines['peer'] = peer
    else: print('%s is not installed: our numbers alone (cargo install --locked rsigma)' % a.peer)
    with tempfile.TemporaryDirectory() as tmp:
        empty = os.path.join(tmp, 'none'); open(empty, 'w').close()
        for name, events in lanes.items():
            if a.lane and name not in a.lane: continue
            path = os.path.join(tmp, name)
            with open(path, 'w', encoding='utf-8') as f:
                for i in range(a.events_per_lane): f.write(json.dumps(events[i % len(events)], ensure_ascii=False) + '\n')
            rates, found = {}, {}
            for who, command in engines.items():
                pin = ['taskset', '-c', '0'] if shutil.which('taskset') else []
                load, base = min(run(pin + command, empty)[:2] for _ in range(a.repeat))
                took, peak, status, out, err = min((run(pin + command, path) for _ in range(a.repeat)), key=lambda x: x[0])
                if status not in (0, 1): print('%s: exit status %d: %s' % (who, status, err.decode('utf-8', 'replace')[-200:]))
                rates[who] = a.events_per_lane / max(took - load, 1e-9); found[who] = matches(out.decode('utf-8', 'replace'))
                print('%-8s %-5s %9.0f events/s  load %.2f s  memory %.0f MiB (%.0f before events)  matches %d' % (name, who, rates[who], load, peak, base, sum(found[who].values())), flush=True)
            if 'peer' in rates:
                print('%-8s ratio %.1f' % (name, rates['ours'] / rates['peer']))
                differ = {r: (found['ours'][r], found['peer'][r]) for r in set(found['ours']) | set(found['peer']) if found['ours'][r] != found['peer'][r]}
                for r, (o, q) in sorted(differ.items(), key=str)[:20]: print('         rule %s: ours %d, peer %d' % (r, o, q))
    return 0


if __name__ == '__main__': sys.exit(main())
