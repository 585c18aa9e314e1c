//! When the certificate that clients are shown ends, and what is said of it before and after.

use crate::limits::CERTIFICATE_SOON_S;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use std::fmt;
use std::time::Duration;

/// What an operator is told of a certificate that ends soon, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// So many seconds are left, [`CERTIFICATE_SOON_S`] at most.
    Soon(u64),
    /// So many seconds ago it was over.
    Over(u64),
}

impl Expiry {
    /// Of one that is good until `not_after_s`, that second included. `None`: there is nothing to say yet.
    pub fn at(not_after_s: u64, now_s: u64) -> Option<Self> {
        match not_after_s.checked_sub(now_s) {
            None => Some(Self::Over(now_s - not_after_s)),
            Some(left_s) if left_s <= CERTIFICATE_SOON_S => Some(Self::Soon(left_s)),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR_S: u64 = 3_600;
        let (Self::Soon(seconds) | Self::Over(seconds)) = self;
        // Nobody renews by the minute.
        let time = match seconds / HOUR_S {
            hours @ 0..48 => format!("{hours} h"),
            hours => format!("{} days", hours / 24),
        };
        match self {
            Self::Soon(_) => write!(f, "the certificate in --tls-cert ends in {time}")?,
            Self::Over(_) => write!(f, "the certificate in --tls-cert ended {time} ago: clients refuse it")?,
        }
        f.write_str("; renew the files of --tls-cert and --tls-key, then send SIGHUP")
    }
}

/// When it ends, in seconds since 1970. `None`: it cannot be told.
///
/// rustls has no word for it but this: who looks at a certificate at the end of all time is told that it is over since
/// then. Validity is looked at before issuers are, so nobody need be trusted. A parser of our own kind (`x509-parser`)
/// would be eight more crates for two dates.
pub(super) fn not_after_s(certificate: &CertificateDer<'_>) -> Option<u64> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let judged =
        verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], end_of_time, &[]);
    match judged {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    /// 2030-01-01.
    const END_S: u64 = 1_893_456_000;

    fn until(year: i32) -> CertificateParams {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        params
    }

    fn end_of(params: &CertificateParams) -> Option<u64> {
        not_after_s(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn the_date_is_read_whether_it_lies_ahead_or_behind() {
        assert_eq!(end_of(&until(2030)), Some(END_S));
        assert_eq!(end_of(&until(1990)), Some(631_152_000));
        // From 2050 on it is written otherwise, and 9999 means never.
        assert_eq!(end_of(&until(2060)), Some(2_840_140_800));
        assert_eq!(end_of(&until(9_999)), Some(253_370_764_800));
        assert_eq!(not_after_s(&CertificateDer::from(b"nonsense".to_vec())), None);
    }

    #[test]
    fn one_that_may_sign_others_has_an_end_too() {
        let mut params = until(2030);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        assert_eq!(end_of(&params), Some(END_S));
    }

    #[test]
    fn it_is_told_from_two_weeks_before_and_as_over_from_the_second_after() {
        let told = |now_s| Expiry::at(END_S, now_s);
        assert_eq!(told(END_S - CERTIFICATE_SOON_S - 1), None);
        assert_eq!(told(END_S - CERTIFICATE_SOON_S), Some(Expiry::Soon(CERTIFICATE_SOON_S)));
        assert_eq!(told(END_S), Some(Expiry::Soon(0)));
        assert_eq!(told(END_S + 1), Some(Expiry::Over(1)));
        assert!(told(END_S - CERTIFICATE_SOON_S).unwrap().to_string().contains("ends in 14 days"));
        assert!(told(END_S + 7_200).unwrap().to_string().contains("ended 2 h ago"));
    }
}
