-- A token that was revoked stays so, whoever asks.

CREATE FUNCTION refuse_unrevoking() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'a token that was revoked stays so' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER access_tokens_unrevoked BEFORE UPDATE OF revoked_at ON access_tokens
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at AND OLD.revoked_at IS NOT NULL)
    EXECUTE FUNCTION refuse_unrevoking();
