#!/usr/bin/env python3
"""Writes what bench.py measured into a page.  usage: table.py PAGE RESULTS.json...

The page has a pair of marks for each table, `<!-- peers -->` to `<!-- end -->` and `<!-- variants -->` to `<!-- end -->`;
what is between them is written anew, and everything else stays.  Of several results of one workload the last counts."""
import json, os, platform, re, statistics as st, subprocess as sp, sys

ROWS = [  # workload, what one unit is, what is asked of Portward
    ('W1', 'HTTP/1.1 requests', '1.7'), ('W2', 'HTTP/2 requests', '1.4'), ('W3', 'full handshakes', '2.4'),
    ('W3r', 'resumed handshakes', '2.2'), ('W3p', 'handshakes with X25519MLKEM768', ''), ('W4', 'GB of large bodies', '1.7')]
PEERS = [('nginx', 'nginx'), ('haproxy', 'HAProxy'), ('caddy', 'Caddy'), ('portward', 'Portward'), ('floor', 'bytes alone')]
VARIANTS = [('portward@SITES=10000', '10,000 sites and certificates loaded', '0.95'), ('portward@LOG=json', 'JSON access log', '0.85')]

def paired(runs, base):
    """median and quartiles of the ratio to the base within each round"""
    of = {run['i']: run['eff'] for run in base}
    ratios = sorted(run['eff'] / of[run['i']] for run in runs if run['i'] in of)
    if not ratios: return None
    quarter = len(ratios) // 4
    return st.median(ratios), ratios[quarter], ratios[-1 - quarter]

def ratio(runs, base):
    found = paired(runs, base)
    return f'{found[0]:.2f} [{found[1]:.2f} to {found[2]:.2f}]' if found else '-'

def amount(value): return f'{value:,.0f}' if value >= 100 else f'{value:.2f}'
def median(runs, key): return st.median(run[key] for run in runs)

def peers(results):
    rounds = max(len(runs) for names in results.values() for runs in names.values())
    lines = [f'Work per CPU-second of the proxy, as a multiple of nginx in the same round: the median of {rounds} rounds, with quartiles.', '',
             '| | ' + ' | '.join(title for _, title in PEERS) + ' | asked for |', '|---' * (len(PEERS) + 2) + '|']
    for name, unit, asked in ROWS:
        runs = results.get(name, {})
        if 'nginx' not in runs: continue
        cells = [f"{amount(median(runs['nginx'], 'raw'))} = 1"]
        cells += [ratio(runs[peer], runs['nginx']) if peer in runs else '-' for peer, _ in PEERS[1:]]
        lines.append(f'| {name}, {unit} | ' + ' | '.join(cells) + f' | {asked} |')
    idle = results.get('W5', {})
    if idle:
        cells = [f"{median(idle[peer], 'kb'):.1f}" if peer in idle else '-' for peer, _ in PEERS]
        lines.append('| W5, KiB of an idle TLS connection | ' + ' | '.join(cells) + ' | at most 9 |')
    for name, how in (('W6', ''), ('W6e', ' if they come evenly')):
        late = results.get(name, {})
        for key, what in (('p50', 'half'), ('p99', '99 in 100')):
            if not late: continue
            cells = [f'{median(late[peer], key):,.0f}' if peer in late else '-' for peer, _ in PEERS]
            lines.append(f'| {name}, µs within which {what} are answered{how} | ' + ' | '.join(cells) + " | nginx's |")
    bad = {peer: sum(run['bad'] for runs in results.values() for run in runs.get(peer, [])) for peer, _ in PEERS}
    lines += ['', 'Failed requests and connections: ' + ', '.join(f'{title} {bad[peer]}' for peer, title in PEERS) + '.']
    return lines

def variants(results):
    lines = ['As a multiple of Portward without it, in the same round.', '', '| | ' + ' | '.join(name for name, _, _ in ROWS[:4]) + ' | asked for |', '|---' * 6 + '|']
    for variant, title, asked in VARIANTS:
        cells = []
        for name, _, _ in ROWS[:4]:
            runs = results.get(name, {})
            cells.append(ratio(runs[variant], runs['portward']) if variant in runs and 'portward' in runs else 'not measured')
        lines.append(f'| {title} | ' + ' | '.join(cells) + f' | at least {asked} |')
    return lines

def number(*command):
    """the version that a program says it has"""
    try: out = sp.run(command, stdout=sp.PIPE, stderr=sp.STDOUT, text=True).stdout
    except OSError: return 'not there'
    found = re.search(r'\d+(\.\d+)+', out)
    return found[0] if found else 'unknown'

def machine():
    info = open('/proc/cpuinfo').read()
    model = re.search(r'model name\s*:\s*(.*)', info); flags = re.search(r'flags\s*:\s*(.*)', info)
    has = [flag for flag in ('avx512f', 'vaes', 'sha_ni') if flags and flag in flags[1].split()]
    congestion = open('/proc/sys/net/ipv4/tcp_congestion_control').read().strip()
    return [f"Machine: {model[1] if model else 'unknown'}, {os.cpu_count()} CPUs ({', '.join(has)}), Linux {platform.release().split('-')[0]}, TCP {congestion}; load average at the end {os.getloadavg()[1]:.1f}.",
            f"Versions: nginx {number('nginx', '-v')}, HAProxy {number('haproxy', '-v')}, Caddy {number('caddy', 'version')}, OpenSSL {number('openssl', 'version')}, Portward {number(os.environ.get('PORTWARD', 'target/release/portward'), '--version')}."]

def main(page, paths):
    measured, tried = {}, {}
    for path in paths:
        for workload, runs in json.load(open(path)).items():
            into = measured if 'nginx' in runs else tried
            into[workload] = runs
    text = open(page).read()
    for mark, lines in (('peers', machine() + [''] + peers(measured) if measured else None), ('variants', variants(tried) if tried else None)):
        if lines is None: continue
        begin, end = f'<!-- {mark} -->', '<!-- end -->'
        at = text.index(begin) + len(begin); to = text.index(end, at)
        text = text[:at] + '\n' + '\n'.join(lines) + '\n' + text[to:]
    open(page, 'w').write(text)

if __name__ == '__main__': main(sys.argv[1], sys.argv[2:])
