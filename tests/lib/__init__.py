"""lib - what scenario and interop tests share: a relay to run, a smarthost, certificates, DNS"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
